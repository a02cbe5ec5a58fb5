// Opens more streams than a browser allows: over HTTP/1.1 it has six connections to a host, over HTTP/2 one for all.

import { address, client, token } from '../context/context.js';
import { protocol } from '../context/request-info.js';
import { type Text, t } from '../text/index.js';
import { byId, element, isBusy, setBusy } from './dom.js';

const STREAMS = 8;
/** Milliseconds: what waits for a connection holds up the page's own requests too. */
const LONGEST = 6000;

export function setUpSix(): void {
  const button = byId<HTMLButtonElement>('connection-limit');
  button.addEventListener('click', async () => {
    if (isBusy(button)) return;
    setBusy(button, true);
    await open(byId('streams'));
    setBusy(button, false);
  });
}

async function open(box: HTMLElement) {
  const lights = Array.from({ length: STREAMS }, () => element('span', 'light'));
  const outcome = element('span', 'outcome', t('opening {streams} streams…', { streams: STREAMS }));
  box.replaceChildren(...lights, outcome);
  const sources = lights.map((light) => {
    const url = address('sse');
    url.searchParams.set('client', client);
    if (token()) url.searchParams.set('token', token());
    const source = new EventSource(url);
    // A message of that name is none.
    source.onopen = (event) => event instanceof MessageEvent || light.classList.add('on');
    return source;
  });
  const count = () => box.querySelectorAll('.light.on').length;
  const end = performance.now() + LONGEST;
  // All are open, or for a second no other one has been: those wait for a connection.
  for (let before = -1, now = 0; now < STREAMS && performance.now() < end && now !== before; ) {
    before = now || -1;
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
    });
    now = count();
  }
  const [opened, http] = [count(), protocol()];
  for (const source of sources) source.close();
  box.dataset['opened'] = String(opened);
  outcome.textContent = t(finding(opened, http), { streams: STREAMS, opened, http });
}

function finding(opened: number, http: string): Text {
  if (opened === STREAMS) return 'all {streams} open at once, over {http}';
  if (http !== 'HTTP/1.1') return '{opened} of {streams} open over {http}';
  return '{opened} of {streams} open over {http}: a browser opens at most six connections to a host, and this page uses two of them. Over HTTP/2 all would be open';
}
