// Runs the page at `/`: opens one channel over each wire, and shows what comes out.

import { byId } from './page/dom.js';
import { countSoon } from './page/online.js';
import { Panel } from './page/panel.js';
import { setUpPublishing } from './page/publish.js';
import { address, channel } from './page/room.js';
import { showBytes } from './page/wireview.js';

/** Event names that have shown up anywhere on this page. */
const names = new Set(['message']);
const chosen = (id: string) => void showBytes(id);
const watcher = { counted: countSoon, named: learn, chosen };
const sse = new Panel('sse', 'SSE', 'EventSource, reconnects by itself', names, watcher);
const panels = [sse,
  new Panel('chunked', 'Chunked', 'fetch and getReader, JSON lines', names, watcher),
  new Panel('ws', 'WebSocket', 'one text frame for each message', names, watcher)];

/** An EventSource hears only names that it was told. Opened again from before the message that brought a new one, it gets that message too. */
function learn(name: string, before: string | null = sse.last): void {
  if (names.has(name)) return;
  names.add(name);
  if (!sse.listens) return;
  sse.rewind(before);
  sse.notice(`now listens for the event “${name}” too`);
}

function listen(): void {
  const input = byId<HTMLInputElement>('channel');
  input.value = channel();
  if (!input.reportValidity()) return;
  // curl takes an address without a scheme as http.
  const [from, to] = ['sse', 'publish'].map((path) => address(path).href.replace(/^http:\/\//, ''));
  byId('shell').textContent = `curl -N ${from}\ncurl -d hello ${to}`;
  for (const panel of panels) {
    panel.reset();
    panel.start();
  }
  countSoon();
}

byId('listen').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = byId<HTMLInputElement>('channel').value;
});
addEventListener('hashchange', listen);
setUpPublishing({ named: learn, published: chosen });
listen();
