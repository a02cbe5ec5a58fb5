// The clients that the tests did not write, by name: the path of the wire of each, and how it is opened.
import { curlReader } from './curl.mjs';
import { eventSourceReader, wsReader } from './npm.mjs';
import { pageReader } from './page.mjs';
import { httpxReader, openaiReader, r3labsReader, tmaxmaxReader } from './programs.mjs';

const inPage = (path, kind) => ({
  path,
  open: (url, ledger, browser) => pageReader(browser, url, ledger, kind),
});
const sse = (open) => ({ path: 'sse', open });

const clients = {
  'curl, SSE': sse((url, ledger) => curlReader(url, ledger, { wire: 'sse', resume: 'header' })),
  'curl, chunked': {
    path: 'chunked',
    open: (url, ledger) => curlReader(url, ledger, { wire: 'chunked', resume: 'query' }),
  },
  'Chromium EventSource': inPage('sse', 'eventsource'),
  'Chromium fetch': inPage('chunked', 'fetch'),
  'Chromium XHR': inPage('chunked', 'xhr'),
  'Chromium WebSocket': inPage('ws', 'websocket'),
  // This library takes over an id as soon as it has read the id field: had the data come after it, a cut between
  // the two would make it skip that message.
  'fetch-event-source': inPage('sse', 'fetchEventSource'),
  'npm eventsource': sse(eventSourceReader),
  'npm ws': { path: 'ws', open: wsReader },
  'httpx-sse': sse(httpxReader),
  'openai for Python': sse(openaiReader),
  'r3labs/sse for Go': sse(r3labsReader),
  'tmaxmax/go-sse for Go': sse(tmaxmaxReader),
};

/** The clients with these `names`, in this order; without names all of them. */
export const clientsNamed = (...names) =>
  (names.length ? names : Object.keys(clients)).map((name) => ({ name, ...clients[name] }));
