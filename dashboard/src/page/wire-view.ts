// The wire view: what leaves on each wire, byte for byte, as the gateway's own encoders spell it.

import type { WireName } from '../client/index.js';
import { address, ask } from '../context/context.js';
import { seen } from '../context/request-info.js';
import { number, type Text, t } from '../text/index.js';
import { NAMES } from '../text/wires.js';
import { dissect, headOf, type Kind, type Part, weigh } from './dissect.js';
import { byId, element } from './dom.js';

/** What there is to see of a stream. */
type Scene = 'head' | 'message' | 'heartbeat' | 'end';

interface OnWire {
  wire: WireName;
  message: string;
  heartbeat: string | null;
  end: string | null;
}
interface Spelled {
  id: string;
  wires: OnWire[];
}

const KINDS: Kind[] = ['framing', 'field', 'payload'];
const ABSENT: Record<Scene, Text> = {
  head: 'The gateway could not be reached.',
  message: 'The gateway could not be reached.',
  heartbeat: 'Nothing: this format has no heartbeat.',
  end: 'Nothing: the connection ends.',
};

let chosen: string | null = null;

/** Makes the choices work. */
export function setUpWireView(): void {
  const scene = byId<HTMLFormElement>('scene');
  scene.addEventListener('change', () => {
    if (chosen) void showBytes(chosen);
  });
  scene.addEventListener('submit', (event) => event.preventDefault());
  const box = byId('bytes');
  const point = (target: EventTarget | null) => {
    if (target instanceof HTMLElement && target.parentElement?.matches('.dump')) explain(target);
  };
  box.addEventListener('pointerover', ({ target }) => point(target));
  box.addEventListener('click', ({ target }) => point(target));
  box.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const { target } = event;
    if (!step || !(target instanceof HTMLElement) || !target.matches('.dump')) return;
    const parts = [...target.children] as HTMLElement[];
    const at = parts.findIndex((part) => part.matches('.pointed'));
    const next = parts[Math.max(0, Math.min(parts.length - 1, at + step))];
    if (next) explain(next);
    event.preventDefault();
  });
}

/** Says what a part is for. */
function explain(part: HTMLElement) {
  for (const other of byId('bytes').querySelectorAll('.pointed')) other.classList.remove('pointed');
  part.classList.add('pointed');
  byId('meaning').textContent = part.title;
}

/** Whether a message has been chosen. */
export function wireViewHolds(): boolean {
  return chosen !== null;
}

let asked = 0;

/** Shows the message of that id. */
export async function showBytes(id: string): Promise<void> {
  chosen = id;
  const own = (asked += 1);
  const choice = new FormData(byId<HTMLFormElement>('scene'));
  const [scene, format] = [choice.get('part') as Scene, String(choice.get('format'))];
  const url = address('dashboard/bytes');
  url.search = String(new URLSearchParams({ id, format }));
  const answer = await ask(url);
  const box = byId('bytes');
  if (own !== asked) return;
  if (!answer) {
    box.replaceChildren(element('p', 'hint', t('The gateway could not be reached.')));
    return;
  }
  if (!answer.ok) {
    box.replaceChildren(element('p', 'hint', t('The gateway no longer holds {id}.', { id })));
    return;
  }
  const { wires } = (await answer.json()) as Spelled;
  const { heads } = scene === 'head' ? await seen(format === 'raw') : { heads: null };
  if (own !== asked) return;
  byId('meaning').textContent = '';
  box.dataset['id'] = id;
  box.dataset['scene'] = `${scene} ${format}`;
  box.replaceChildren(
    ...wires.map((one) =>
      show(one.wire, scene, scene === 'head' ? (heads?.[one.wire] ?? null) : one[scene]),
    ),
  );
}

function show(wire: WireName, scene: Scene, encoded: string | null): HTMLElement {
  const section = element('section', `spelled ${wire}`, element('h3', '', NAMES[wire]));
  if (encoded === null) {
    section.append(element('p', 'hint', t(ABSENT[scene])));
    return section;
  }
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const parts = scene === 'head' ? headOf(bytes) : dissect(wire, bytes);
  const sum = weigh(parts);
  const dump = element('pre', 'dump', ...parts.map(span));
  dump.tabIndex = 0;
  const around = bytes.length - sum.payload;
  const share = Math.round((100 * around) / bytes.length);
  section.append(
    bar(sum, bytes.length),
    element(
      'p',
      'sum',
      sum.payload
        ? t('{all} bytes: {payload} document, {around} overhead ({share} %)', {
            all: number(bytes.length),
            payload: number(sum.payload),
            around: number(around),
            share,
          })
        : t('{all} bytes', { all: number(bytes.length) }),
    ),
    dump,
  );
  section.dataset['bytes'] = String(bytes.length);
  return section;
}

/** How much of it is what; the widths are set by script, because the page's policy takes no style from markup. */
function bar(sum: Record<Kind, number>, all: number): HTMLElement {
  const made = element(
    'div',
    'bar',
    ...KINDS.map((kind) => {
      const part = element('span', kind);
      part.style.width = `${(100 * sum[kind]) / all}%`;
      return part;
    }),
  );
  made.setAttribute('role', 'img');
  made.setAttribute(
    'aria-label',
    t('framing {framing}, fields {field}, document {payload} bytes', { ...sum }),
  );
  return made;
}

function span(part: Part): HTMLElement {
  const made = element('span', part.kind, readable(part));
  made.title = part.title;
  return made;
}

/** Text where it is text, with its line ends as in a string of code; other bytes in hex. */
function readable({ bytes, binary }: Part): string {
  const text = new TextDecoder().decode(bytes);
  const isText = !binary && !/[^\r\n\x20-\x7e\u00a0-\u{10ffff}]|\ufffd/u.test(text);
  if (isText) return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n\n');
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') + ' ';
}
