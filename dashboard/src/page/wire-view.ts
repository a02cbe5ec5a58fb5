// The bytes of a message on each wire, as the gateway's own encoders produce them.

import type { WireName } from '../client/index.ts';
import { channelUrl, request } from '../context/gateway.ts';
import { type RequestInfo, requestInfo, type StreamFormat } from '../context/request-info.ts';
import { number, type Text, t } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { countBytes, dissectHead, dissectStream, type Kind, type Part } from './dissect.ts';
import { byId, element } from './dom.ts';
import type { MessageRef } from './message-list.ts';

/** A part of a stream that the view can show. */
type Scene = 'head' | 'message' | 'heartbeat' | 'end';

/** The bytes of one wire in base64: PROTOCOL.md on `GET /dashboard/bytes`. */
interface WireBytes {
  wire: WireName;
  message: string;
  heartbeat: string | null;
  end: string | null;
}

const KINDS: Kind[] = ['framing', 'field', 'payload'];

/** The reason why there are no bytes to show. */
const ABSENT: Record<Scene, Text> = {
  head: 'The gateway could not be reached.',
  message: 'The gateway could not be reached.',
  heartbeat: 'Nothing: this format has no heartbeat.',
  end: 'Nothing: the connection ends.',
};

export class WireView {
  readonly #box = byId('bytes');
  readonly #form = byId<HTMLFormElement>('scene');
  #shown: MessageRef | null = null;
  /** The number of the latest load: earlier responses are dropped. */
  #latest = 0;

  constructor() {
    this.#form.addEventListener('change', () => {
      if (this.#shown) this.show(this.#shown);
    });
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    this.#box.addEventListener('pointerover', ({ target }) => this.#explainAt(target));
    this.#box.addEventListener('click', ({ target }) => this.#explainAt(target));
    this.#box.addEventListener('keydown', (event) => this.#navigate(event));
  }

  /** Whether a message has been shown. */
  get hasMessage(): boolean {
    return this.#shown !== null;
  }

  show(message: MessageRef): void {
    this.#shown = message;
    this.#latest += 1;
    void this.#load(message, this.#latest);
  }

  async #load({ id, channel }: MessageRef, attempt: number) {
    const choice = new FormData(this.#form);
    const scene = choice.get('part') as Scene;
    const format = choice.get('format') as StreamFormat;
    const url = channelUrl('dashboard/bytes', channel);
    url.search = String(new URLSearchParams({ id, format }));
    const response = await request(url);
    if (attempt !== this.#latest) return;
    if (!response?.ok) {
      const reason = response
        ? t('The gateway no longer holds {id}.', { id })
        : t('The gateway could not be reached.');
      this.#box.replaceChildren(element('p', 'hint', reason));
      return;
    }
    const { wires } = (await response.json()) as { wires: WireBytes[] };
    const heads = scene === 'head' ? (await requestInfo(format)).heads : null;
    if (attempt !== this.#latest) return;
    byId('meaning').textContent = '';
    this.#box.dataset.id = id;
    this.#box.dataset.scene = `${scene} ${format}`;
    const sections = wires.map((one) => wireSection(one.wire, scene, bytesOf(one, scene, heads)));
    this.#box.replaceChildren(...sections);
  }

  #explainAt(target: EventTarget | null) {
    if (target instanceof HTMLElement && target.parentElement?.matches('.dump')) {
      this.#explain(target);
    }
  }

  /** Moves through the parts with the arrow keys. */
  #navigate(event: KeyboardEvent) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const { target } = event;
    if (!step || !(target instanceof HTMLElement) || !target.matches('.dump')) return;
    const parts = [...target.children] as HTMLElement[];
    const current = parts.findIndex((part) => part.matches('.pointed'));
    const next = parts[Math.max(0, Math.min(parts.length - 1, current + step))];
    if (next) this.#explain(next);
    event.preventDefault();
  }

  #explain(part: HTMLElement) {
    for (const other of this.#box.querySelectorAll('.pointed')) other.classList.remove('pointed');
    part.classList.add('pointed');
    byId('meaning').textContent = part.title;
  }
}

function bytesOf(wire: WireBytes, scene: Scene, heads: RequestInfo['heads']): string | null {
  return scene === 'head' ? (heads?.[wire.wire] ?? null) : wire[scene];
}

function wireSection(wire: WireName, scene: Scene, base64: string | null): HTMLElement {
  const section = element('section', `spelled ${wire}`, element('h3', '', NAMES[wire]));
  if (base64 === null) {
    section.append(element('p', 'hint', t(ABSENT[scene])));
    return section;
  }
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const parts = scene === 'head' ? dissectHead(bytes) : dissectStream(wire, bytes);
  const sums = countBytes(parts);
  const dump = element('pre', 'dump', ...parts.map(partSpan));
  dump.tabIndex = 0;
  section.append(
    sharesBar(sums, bytes.length),
    element('p', 'sum', describeSums(sums, bytes.length)),
    dump,
  );
  section.dataset.bytes = String(bytes.length);
  return section;
}

function describeSums({ payload }: Record<Kind, number>, total: number): string {
  const all = number(total);
  if (!payload) return t('{all} bytes', { all });
  const overhead = total - payload;
  return t('{all} bytes: {payload} document, {around} overhead ({share} %)', {
    all,
    payload: number(payload),
    around: number(overhead),
    share: Math.round((100 * overhead) / total),
  });
}

/** Draws the shares of the bytes. Scripts set the widths: the page's policy forbids inline CSS. */
function sharesBar(sums: Record<Kind, number>, total: number): HTMLElement {
  const segments = KINDS.map((kind) => {
    const segment = element('span', kind);
    segment.style.width = `${(100 * sums[kind]) / total}%`;
    return segment;
  });
  const bar = element('div', 'bar', ...segments);
  const label = t('framing {framing}, fields {field}, document {payload} bytes', { ...sums });
  bar.setAttribute('role', 'img');
  bar.setAttribute('aria-label', label);
  return bar;
}

function partSpan(part: Part): HTMLElement {
  const span = element('span', part.kind, readable(part));
  span.title = part.title;
  return span;
}

/** Returns text with its line ends as escapes, and other bytes in hex. */
function readable({ bytes, binary }: Part): string {
  const text = new TextDecoder().decode(bytes);
  const isText = !binary && !/[^\r\n\x20-\x7e\u00a0-\u{10ffff}]|\ufffd/u.test(text);
  if (isText) return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n\n');
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
  return `${hex.join(' ')} `;
}
