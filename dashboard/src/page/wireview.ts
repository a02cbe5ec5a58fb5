// The wire view: one message as it leaves on each wire, byte for byte, as the gateway's own encoders spell it.

import type { WireName } from '../client/index.js';
import { dissect, weigh, type Kind, type Part } from './anatomy.js';
import { byId, element } from './dom.js';
import { address } from './room.js';

interface OnWire { wire: WireName; message: string }
interface Spelled { id: string; wires: OnWire[] }

const NAMES: Record<WireName, string> = { sse: 'SSE', chunked: 'Chunked', ws: 'WebSocket' };
const KINDS: Kind[] = ['framing', 'field', 'payload'];

/** Shows the message of that id. */
export async function showBytes(id: string): Promise<void> {
  const url = address('dashboard/bytes');
  url.searchParams.set('id', id);
  const answer = await fetch(url).catch(() => null);
  const box = byId('bytes');
  if (!answer?.ok) {
    box.replaceChildren(element('p', 'hint', `The gateway does not hold ${id} any more.`));
    return;
  }
  const { wires } = await answer.json() as Spelled;
  box.dataset['id'] = id;
  box.replaceChildren(...wires.map(show));
}

function show({ wire, message }: OnWire): HTMLElement {
  const bytes = Uint8Array.from(atob(message), (character) => character.charCodeAt(0));
  const parts = dissect(wire, bytes);
  const sum = weigh(parts);
  const dump = element('pre', 'dump', ...parts.map(span));
  dump.tabIndex = 0;
  const overhead = bytes.length - sum.payload;
  const section = element('section', `spelled ${wire}`,
    element('h3', '', NAMES[wire]),
    bar(sum, bytes.length),
    element('p', 'sum', `${bytes.length} bytes: ${sum.payload} document, ${overhead} around it (${Math.round((100 * overhead) / bytes.length)} %)`),
    dump);
  section.dataset['bytes'] = String(bytes.length);
  return section;
}

/** How much of it is what; the widths are set by script, because the page's policy takes no style from markup. */
function bar(sum: Record<Kind, number>, all: number): HTMLElement {
  const made = element('div', 'bar', ...KINDS.map((kind) => {
    const part = element('span', kind);
    part.style.width = `${(100 * sum[kind]) / all}%`;
    return part;
  }));
  made.setAttribute('role', 'img');
  made.ariaLabel = KINDS.map((kind) => `${kind} ${sum[kind]} bytes`).join(', ');
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
