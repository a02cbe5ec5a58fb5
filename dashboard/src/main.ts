// Runs the page at `/`: opens one channel over each wire, measures what comes out, and breaks it on demand.

import type { Message, WireName } from './client/index.js';
import { address, channel, setToken, settle, token } from './context/context.js';
import { headSizes } from './context/request-info.js';
import { LatencyTracker } from './measure/latency-tracker.js';
import { setUpCharts } from './page/charts.js';
import { CHAT, Chat } from './page/chat.js';
import { setUpVerdict } from './page/comparison.js';
import { setUpSix } from './page/connection-limit.js';
import { byId } from './page/dom.js';
import { setUpBreakage } from './page/faults.js';
import { go, setUpFeatures } from './page/features.js';
import { setUpLoad } from './page/load-form.js';
import { countSoon } from './page/online-counts.js';
import { Panel } from './page/panel.js';
import { setUpPublishing } from './page/publish-form.js';
import { Publisher } from './page/publisher.js';
import { recall, rememberOnLeaving } from './page/reload.js';
import { setUpSnippets, showSnippet } from './page/snippets.js';
import { setUpWireView, showBytes, wireViewHolds } from './page/wire-view.js';
import { choose, language, t, translate } from './text/index.js';
import { WIRES } from './text/wires.js';

document.documentElement.lang = language;
translate(document.body);

const latencies = new LatencyTracker();
const publisher = new Publisher(latencies);
const chat = new Chat(publisher, (command) => panels[2]!.say(command));
/** Event names that have shown up anywhere on this page. */
const names = new Set(['message', CHAT]);
/** Each new one opens the EventSource anew: where every message has a name of its own, not for ever. */
const NAMES = 32;
const watcher = {
  changed: () => away(),
  counted: countSoon,
  took,
  chosen: (id: string) => void showBytes(id),
};
const panels = WIRES.map((wire) => new Panel(wire, names, latencies, watcher));
const sse = panels[0]!;

function took(message: Message, wire: WireName, before: string | null): void {
  learn(message.event, before);
  chat.took(message, wire);
  // So that there is something to see, until somebody chooses.
  if (!wireViewHolds()) void showBytes(message.id);
}

/** An EventSource hears only names that it was told. Opened again from before the message that brought a new one, it gets that message too. */
function learn(name: string, before: string | null = sse.last): void {
  if (names.has(name) || names.size > NAMES) return;
  names.add(name);
  if (!sse.listens) return;
  sse.rewind(before);
  sse.notice(t('now also listening for the event “{name}”', { name }));
}

function listen(): void {
  const input = byId<HTMLInputElement>('channel');
  input.value = channel();
  if (!input.reportValidity()) return;
  // curl takes an address without a scheme as http.
  const [from, to] = ['sse', 'publish'].map((path) => address(path).href.replace(/^http:\/\//, ''));
  byId('shell').textContent = `curl -N ${from}\ncurl -d hello ${to}`;
  showSnippet();
  chat.clear();
  for (const panel of panels) {
    panel.reset(recall(panel.wire));
    panel.start();
  }
  countSoon();
}

byId<HTMLInputElement>('token').value = token();
byId('listen').addEventListener('submit', (event) => {
  event.preventDefault();
  setToken(byId<HTMLInputElement>('token').value.trim());
  const wanted = byId<HTMLInputElement>('channel').value;
  if (wanted === channel()) listen();
  else location.hash = wanted;
});
const languages = byId<HTMLSelectElement>('language');
languages.value = language;
languages.addEventListener('change', () => choose(languages.value));
for (const link of document.querySelectorAll<HTMLElement>('[data-goto]'))
  link.addEventListener('click', () => go(link.dataset['goto']!));
addEventListener('hashchange', listen);
rememberOnLeaving(panels);
const generator = setUpLoad(publisher);
setUpPublishing(publisher, { named: learn, published: watcher.chosen });
setUpCharts(() => panels.map(({ meter }) => meter));
setUpSix();
setUpWireView();
setUpSnippets();
setUpFeatures();
byId('reset').addEventListener('click', () => {
  for (const panel of panels) panel.measure();
});
setUpVerdict(panels, generator);
const away = setUpBreakage(panels, generator);
// Once it is drawn: what the page itself takes is not to be counted as the network's.
await settle();
if (!document.hidden)
  await new Promise((drawn) => {
    requestAnimationFrame(() => setTimeout(drawn));
  });
listen();
await learnHeads();

async function learnHeads() {
  const sizes = await headSizes();
  for (const panel of panels) panel.head = sizes[panel.wire] ?? 0;
  if (!sizes.sse) setTimeout(learnHeads, 5000);
}
