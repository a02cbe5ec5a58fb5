// The table of features: the abilities of each wire. Each row shows its feature where it stands, or
// explains it.

import type { WireName } from '../client/index.ts';
import { type Text, t } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { DEMONSTRATIONS, type Demonstration, type Subjects } from './demonstrations.ts';
import { button, byId, element, isBusy, setBusy } from './dom.ts';

interface Feature {
  name: Text;
  sse: Text;
  chunked: Text;
  ws: Text;
  why: Text;
  /** Shows the feature, and returns what happened. */
  demonstrate?: Demonstration;
}

const FEATURES: Feature[] = [
  {
    name: 'Direction',
    sse: 'to the client',
    chunked: 'to the client',
    ws: 'both ways',
    why: 'A WebSocket publishes over its own connection. With SSE or Chunked, a page publishes with a separate request.',
    demonstrate: DEMONSTRATIONS.direction,
  },
  {
    name: 'In a browser',
    sse: 'EventSource',
    chunked: 'fetch',
    ws: 'WebSocket',
    why: 'All three are built into every browser. The programs under Code need no library.',
  },
  {
    name: 'Reconnects by itself',
    sse: 'yes, the browser does',
    chunked: 'your code',
    ws: 'your code',
    why: 'An EventSource reconnects and resumes without code of yours, unless it gets an error response. For the other wires that takes a dozen lines, which are under Code.',
    demonstrate: DEMONSTRATIONS.reconnect,
  },
  {
    name: 'Resumes',
    sse: 'yes, by Last-Event-ID',
    chunked: 'yes, by last_event_id',
    ws: 'yes, by last_event_id',
    why: 'A client that returns with the last id that it has received gets everything after it, on any wire.',
    demonstrate: DEMONSTRATIONS.resume,
  },
  {
    name: 'Reports lost messages',
    sse: 'yes',
    chunked: 'yes',
    ws: 'yes',
    why: 'If the history no longer holds all that a client has missed, the gateway reports the gap instead of hiding it.',
    demonstrate: DEMONSTRATIONS.lose,
  },
  {
    name: 'Overhead per message',
    sse: '30 to 50 bytes',
    chunked: '7 to 10 bytes',
    ws: '2 to 10 bytes',
    why: 'The bytes that a wire adds to each document. “On the wire” shows what each of them is for.',
    demonstrate: DEMONSTRATIONS.overhead,
  },
  {
    name: 'Binary data',
    sse: 'as base64',
    chunked: 'as base64, or raw',
    ws: 'as base64, or raw',
    why: 'SSE is text. With format=raw, Chunked and WebSocket carry the bytes themselves, but then no ids.',
  },
  {
    name: 'Custom headers',
    sse: 'no: query or cookie',
    chunked: 'yes',
    ws: 'no: query, cookie or subprotocol',
    why: 'A page cannot set headers on an EventSource or a WebSocket, so a token travels in the query, a cookie or a subprotocol. Programs can set headers on all three.',
  },
  {
    name: 'Compression',
    sse: 'no',
    chunked: 'no',
    ws: 'permessage-deflate, if enabled',
    why: 'ws.compression = true in gateway.toml enables it. Each message is compressed once for all readers.',
  },
  {
    name: 'Through proxies',
    sse: 'like any download; buffering must be off',
    chunked: 'like any download; buffering must be off',
    ws: 'the proxy must allow the upgrade',
    why: 'tricast doctor tests all three wires through your proxy, and says what to change in its configuration.',
  },
  {
    name: 'Streams to one host',
    sse: 'six over HTTP/1.1, a hundred or more over HTTP/2',
    chunked: 'six over HTTP/1.1, a hundred or more over HTTP/2',
    ws: '255 in Chromium, 200 in Firefox',
    why: 'Over HTTP/1.1 all tabs of a browser share six connections to a host; WebSockets are counted separately.',
    demonstrate: DEMONSTRATIONS.limit,
  },
  {
    name: 'Backpressure from the page',
    sse: 'no',
    chunked: 'yes',
    ws: 'no',
    why: 'A page that stops reading a fetch slows the stream down. An EventSource or a WebSocket is read by the browser, and the messages pile up in the page.',
    demonstrate: DEMONSTRATIONS.stall,
  },
];

export function setUpFeatures(subjects: Subjects): void {
  const body = byId('features');
  body.replaceChildren(...FEATURES.flatMap((feature) => rows(feature, subjects)));
  // On a phone the rows are stacked with CSS, which takes the roles of a table away.
  const roles = { table: 'table', tbody: 'rowgroup', tr: 'row', th: 'rowheader', td: 'cell' };
  for (const [name, role] of Object.entries(roles)) {
    const parts = body.querySelectorAll(name);
    for (const part of [body.closest(name), ...parts]) part?.setAttribute('role', role);
  }
}

/** Returns the row of a feature, and the row below it for what it shows. */
function rows({ name, sse, chunked, ws, why, demonstrate }: Feature, subjects: Subjects) {
  const head = element('th', '', t(name));
  head.setAttribute('scope', 'row');
  const explanation = element('p', '', t(why));
  const outcome = element('p', 'outcome');
  outcome.setAttribute('role', 'status');
  const cell = element('td', '', explanation, outcome);
  cell.setAttribute('colspan', '5');
  const below = element('tr', 'shown', cell);
  below.hidden = true;
  const control = button(demonstrate ? t('try it') : t('explain'), () => {
    if (isBusy(control)) return;
    below.hidden = !demonstrate && !below.hidden;
    control.setAttribute('aria-expanded', String(!below.hidden));
    if (demonstrate) void run(demonstrate);
  });
  const run = async (shown: Demonstration) => {
    setBusy(control, true);
    outcome.replaceChildren('…');
    await Promise.resolve(shown(subjects, outcome)).finally(() => setBusy(control, false));
  };
  control.setAttribute('aria-expanded', 'false');
  control.setAttribute('aria-label', `${control.textContent}: ${t(name)}`);
  const cells = [wireCell('sse', sse), wireCell('chunked', chunked), wireCell('ws', ws)];
  return [element('tr', '', head, ...cells, element('td', '', control)), below];
}

/** The name of the wire is shown where the table is too narrow for columns. */
function wireCell(wire: WireName, text: Text): HTMLElement {
  const created = element('td', wire, t(text));
  created.dataset.wire = NAMES[wire];
  return created;
}
