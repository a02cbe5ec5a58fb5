// A page in Chromium behind a proxy, over TLS and HTTP/2, with what a browser has on board: EventSource, fetch, WebSocket.
import { fileURLToPath } from 'node:url';
import { Ledger } from '../ledger.mjs';

const inPage = fileURLToPath(new URL('../readers/in-page.js', import.meta.url));
export const kinds = {
  EventSource: ['eventsource', 'sse'],
  fetch: ['fetch', 'chunked'],
  WebSocket: ['websocket', 'ws'],
};

/** A reader as those of readers.mjs; `protocol` says what its stream came over. */
export async function openPage(browser, stand, kind, channel) {
  const [name, path] = kinds[kind];
  const url = `${stand.secure}/${path}/${channel}`;
  const reader = { ledger: new Ledger(kind), attempts: 0, asked: 0, gaveUp: false, protocol: null };
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  const ask = (address) => {
    if (!address.includes(`/${path}/`)) return;
    reader.attempts += 1;
    reader.asked = performance.now();
  };
  devtools.on('Network.requestWillBeSent', ({ request }) => ask(request.url));
  devtools.on('Network.webSocketCreated', (socket) => ask(socket.url));
  devtools.on('Network.responseReceived', ({ response }) => {
    if (response.url.includes(`/${path}/`)) reader.protocol ??= response.protocol;
  });
  // A WebSocket over HTTP/2 is a CONNECT, which is answered with 200 (RFC 8441).
  devtools.on('Network.webSocketHandshakeResponseReceived', ({ response }) => {
    reader.protocol ??= response.status === 200 ? 'h2' : 'http/1.1';
  });

  await page.exposeFunction('take', (text) => reader.ledger.take(JSON.parse(text)));
  await page.exposeFunction('fault', (problem) => {
    if (problem.includes('gave up')) reader.gaveUp = true;
    else reader.ledger.fault(problem);
  });
  page.on('pageerror', (error) => reader.ledger.fault(error));
  await page.goto(`${stand.secure}/channels`);
  await page.addScriptTag({ path: inPage });
  await page.evaluate(
    ([which, address]) => {
      globalThis.readers[which](address);
    },
    [name, url],
  );
  reader.end = () => context.close();
  return reader;
}
