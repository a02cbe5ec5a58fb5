// Shows the browser's connection limit: over HTTP/1.1 six connections to a host, over HTTP/2 one.

import { clientId, token } from '../context/context.ts';
import { channelUrl } from '../context/gateway.ts';
import { browserProtocol } from '../context/request-info.ts';
import { type Text, t } from '../text/index.ts';
import { byId, element, isBusy, setBusy } from './dom.ts';

const STREAMS = 8;
/** Milliseconds; a stream that waits for a connection delays the page's own requests too. */
const TIMEOUT_MS = 6000;
/** Milliseconds without another open stream after which the rest count as blocked. */
const SETTLE_MS = 1000;

export function setUpConnectionLimit(): void {
  const start = byId<HTMLButtonElement>('connection-limit');
  start.addEventListener('click', async () => {
    if (isBusy(start)) return;
    setBusy(start, true);
    await openStreams(byId('streams'));
    setBusy(start, false);
  });
}

/** Opens the streams, and shows in `box` which of them are open. */
export async function openStreams(box: HTMLElement) {
  const lights = Array.from({ length: STREAMS }, () => element('span', 'light'));
  const outcome = element('span', 'outcome', t('Opening {streams} streams…', { streams: STREAMS }));
  box.replaceChildren(...lights, outcome);
  const sources = lights.map(openStream);
  const opened = await countOpened(() => box.querySelectorAll('.light.on').length);
  for (const source of sources) source.close();
  const http = browserProtocol();
  box.dataset.opened = String(opened);
  outcome.textContent = t(outcomeText(opened, http), { streams: STREAMS, opened, http });
}

/** Opens a stream that turns its light on. */
function openStream(light: HTMLElement): EventSource {
  const url = channelUrl('sse');
  url.searchParams.set('client', clientId());
  if (token()) url.searchParams.set('token', token());
  const source = new EventSource(url);
  source.onopen = (event) => {
    // A message published as "open" arrives under the same name.
    if (!(event instanceof MessageEvent)) light.classList.add('on');
  };
  return source;
}

/** Waits until all streams are open, or no other one has opened for a while. */
async function countOpened(count: () => number): Promise<number> {
  const end = performance.now() + TIMEOUT_MS;
  let before = -1;
  let opened = 0;
  while (opened < STREAMS && opened !== before && performance.now() < end) {
    // As long as no stream is open, none is known to be blocked.
    before = opened || -1;
    await new Promise((resolve) => {
      setTimeout(resolve, SETTLE_MS);
    });
    opened = count();
  }
  return opened;
}

function outcomeText(opened: number, http: string): Text {
  if (opened === STREAMS) return 'All {streams} are open at once, over {http}.';
  if (http !== 'HTTP/1.1') return '{opened} of {streams} are open over {http}.';
  return '{opened} of {streams} are open over {http}: a browser opens at most six connections to a host, and this page uses two of them. Over HTTP/2 all would be open.';
}
