// The page at `/`: subscribes to a channel over each wire, shows the figures, and breaks the wires.

import { ANSWER_EVENTS } from './client/answers.ts';
import { channel, claimClientId, setToken, token } from './context/context.ts';
import { channelUrl } from './context/gateway.ts';
import { hasModels, hasOpenAnswer, modelNames } from './context/models.ts';
import { headSizes, requestInfo } from './context/request-info.ts';
import { LatencyTracker } from './measure/latency-tracker.ts';
import { Ask } from './page/ask.ts';
import { setUpCharts } from './page/charts.ts';
import { CHAT_EVENT, Chat } from './page/chat.ts';
import { Clock } from './page/clock.ts';
import { setUpComparison } from './page/comparison.ts';
import { setUpConnectionLimit } from './page/connection-limit.ts';
import { byId } from './page/dom.ts';
import { EventNames } from './page/event-names.ts';
import { setUpFaults } from './page/faults.ts';
import { setUpFeatures } from './page/features.ts';
import { setUpLoadForm } from './page/load-form.ts';
import { setUpNavigation } from './page/navigation.ts';
import { updateOnlineCounts } from './page/online-counts.ts';
import { Panel } from './page/panel.ts';
import { setUpPublishForm } from './page/publish-form.ts';
import { Publisher } from './page/publisher.ts';
import { savePlacesOnLeave, takePlaces } from './page/reload.ts';
import { setUpSnippets, showSnippet } from './page/snippets.ts';
import { setUpTokenPrompt } from './page/token-prompt.ts';
import { WireView } from './page/wire-view.ts';
import { language, t, useLanguage } from './text/index.ts';
import { chooseLanguage, preferredLanguage, translateMarkup } from './text/language.ts';

/** Milliseconds before another attempt to get the sizes of the response heads. */
const HEADS_RETRY_MS = 5000;

await setUpLanguage();
const takePlace = takePlaces();
const latencies = new LatencyTracker();
const eventNames = new EventNames('message', CHAT_EVENT, ...ANSWER_EVENTS);
const publisher = new Publisher(latencies);
const clock = new Clock(publisher);
const panels = {
  sse: new Panel('sse', eventNames, latencies, clock),
  chunked: new Panel('chunked', eventNames, latencies, clock),
  ws: new Panel('ws', eventNames, latencies, clock),
};
const allPanels = Object.values(panels);
const chat = new Chat(publisher, panels.ws);
const ask = new Ask(() => {
  for (const panel of allPanels) panel.drop();
});
const wireView = new WireView();

for (const panel of allPanels) {
  panel.messageReceived.subscribe((message, before) => {
    learnEventName(message.event, before);
    chat.receive(message, panel.wire);
    ask.receive(message, panel.wire);
    // Shows the first message, so that the view is not empty.
    if (!wireView.hasMessage) wireView.show(message);
    // The channel has something to show.
    if (message.channel === channel()) clock.stop();
  });
  panel.messageSelected.subscribe((message) => wireView.show(message));
  panel.onlineChanged.subscribe(updateOnlineCounts);
}
// What the visitor does with a form replaces the clock, before the form does it.
document.addEventListener('submit', () => clock.stop(), { capture: true });
const generator = setUpLoadForm(publisher);
setUpPublishForm(publisher, {
  eventUsed: (name) => learnEventName(name, panels.sse.last),
  published: (id) => wireView.show({ id, channel: channel() }),
});
setUpCharts(() => allPanels.map(({ meter }) => meter));
setUpFaults(allPanels, generator);
setUpComparison(allPanels, generator);
setUpConnectionLimit();
setUpSnippets();
setUpFeatures({ panels, generator });
setUpSubscribeForm();
setUpTokenPrompt(allPanels, () => void subscribe());
const navigation = setUpNavigation();
setUpAnswer();
savePlacesOnLeave(allPanels, (wire) => ask.saved(wire));
byId('reset').addEventListener('click', () => {
  for (const panel of allPanels) panel.resetMeter();
});

await claimClientId();
// The page is drawn before it measures: its own work must not count as latency.
if (!document.hidden) await nextFrame();
// A token that cannot count would end the streams.
if (token()) await showTokenField();
await clock.start();
if (await hasModels()) ask.show();
await subscribe();
setUpClock();
if (ask.isShown) ask.offer(await modelNames());
await loadHeadSizes();

async function setUpLanguage() {
  await useLanguage(preferredLanguage());
  document.documentElement.lang = language;
  translateMarkup(document.body);
  const select = byId<HTMLSelectElement>('language');
  select.value = language;
  select.addEventListener('change', () => chooseLanguage(select.value));
}

function setUpSubscribeForm() {
  const tokenInput = byId<HTMLInputElement>('token');
  tokenInput.value = token();
  byId('listen').addEventListener('submit', (event) => {
    event.preventDefault();
    setToken(tokenInput.value.trim());
    const name = byId<HTMLInputElement>('channel').value;
    if (name === channel()) void subscribe();
    else location.hash = name;
  });
  addEventListener('hashchange', () => {
    clock.stop();
    void subscribe();
  });
}

/** Starts the clock of a page that was opened in the background when it comes into sight. */
function setUpClock() {
  document.addEventListener('visibilitychange', async () => {
    if (document.hidden || clock.channel) return;
    await clock.start();
    if (clock.channel) await subscribe();
  });
}

/** Lets the button beside the answer run the comparison, and shows it. */
function setUpAnswer() {
  byId('answer-compare').addEventListener('click', () => {
    const isRunning = !byId('progress').hidden;
    if (!isRunning) byId<HTMLFormElement>('compare').requestSubmit();
    navigation.goTo('comparison');
  });
}

/** Subscribes all panels to the current channel. */
async function subscribe() {
  const input = byId<HTMLInputElement>('channel');
  input.value = channel();
  if (!input.reportValidity()) return;
  showShellCommands();
  showSnippet();
  chat.clear();
  const places = new Map(allPanels.map(({ wire }) => [wire, takePlace(wire)]));
  ask.reset((wire) => places.get(wire)?.answers);
  const name = channel();
  // A page that opens in mid-answer gets what is there of it.
  const since = ask.isShown && (await hasOpenAnswer()) ? 'compact' : undefined;
  if (name !== channel()) return;
  for (const panel of allPanels) {
    panel.reset(places.get(panel.wire)?.last ?? null, since);
    panel.start();
  }
  updateOnlineCounts();
}

function showShellCommands() {
  // curl takes a URL without a scheme as http.
  const short = (endpoint: string) => channelUrl(endpoint).href.replace(/^http:\/\//, '');
  byId('shell').textContent = `curl -N ${short('sse')}\ncurl -d hello ${short('publish')}`;
}

/**
 * Subscribes the EventSource to another event name.
 * It reopens at the position `before` the message with that name, to receive the message too.
 */
function learnEventName(name: string, before: string | null) {
  if (!eventNames.add(name) || !panels.sse.isActive) return;
  panels.sse.rewind(before);
  panels.sse.notice(t('now also listening for the event “{name}”', { name }));
}

/** Shows the field for a token if the gateway has keys to verify one with. */
async function showTokenField() {
  const { tokens } = await requestInfo();
  byId('token').hidden = !tokens;
  if (tokens === false) setToken('');
}

async function loadHeadSizes() {
  const sizes = await headSizes();
  await showTokenField();
  for (const panel of allPanels) panel.head = sizes[panel.wire] ?? 0;
  if (!sizes.sse) setTimeout(loadHeadSizes, HEADS_RETRY_MS);
}

function nextFrame(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
  });
}
