// One client for each wire, none of them ours: npm's eventsource, fetch and ws, which come back by themselves or in the loop that every user writes.
import { Ledger } from '../ledger.mjs';
import { from } from '../readers/from.mjs';
import { overHttp2 } from './http2.mjs';
import { baseOf } from './ways.mjs';

const missing = () => {
  throw new Error('npm packages are missing: run make setup');
};
const { EventSource } = await import('eventsource').catch(missing);
const { WebSocket } = await import('ws').catch(missing);

const pause = 100;
const control = ['hello', 'gap', 'alive', 'online', 'goodbye'].map((name) => `tricast.${name}`);
const json = (text) => JSON.parse(text);

/**
 * Opens `channel` that way. It has what came (`ledger`), how often and when last it asked (`attempts`, `asked`), the last answer
 * that was no stream (`refused`), and whether it will not come back (`gaveUp`). `close` ends its stream, `end` all that it has.
 */
export function openReader(stand, way, channel, { last, base = baseOf(stand, way.over) } = {}) {
  const reader = {
    ledger: new Ledger(way.name),
    attempts: 0,
    asked: 0,
    refused: null,
    gaveUp: false,
    last: last ?? null,
  };
  open[way.wire](reader, `${base}/${way.path}/${channel}`, way, stand.ca);
  return reader;
}

const open = {
  sse(reader, url, { over }, ca) {
    const http2 = over === 'HTTP/2' && overHttp2(ca);
    const first = reader.last;
    const source = new EventSource(url, {
      async fetch(address, init) {
        ask(reader);
        const headers =
          first && reader.attempts === 1
            ? { ...init.headers, 'Last-Event-ID': first }
            : init.headers;
        const response = await (http2 ? http2.fetch : fetch)(address, { ...init, headers });
        if (response.status !== 200) reader.refused = response.status;
        return response;
      },
    });
    for (const name of ['message', ...control]) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        const document = json(data);
        if (document.id && document.id !== lastEventId)
          reader.ledger.fault(`lastEventId ${lastEventId} on ${document.id}`);
        reader.ledger.take(document);
      });
    }
    source.onerror = () => {
      reader.gaveUp = source.readyState === EventSource.CLOSED;
    };
    reader.close = () => source.close();
    reader.end = () => {
      source.close();
      http2?.close?.();
    };
  },

  chunked(reader, url, { over }, ca) {
    const http2 = over === 'HTTP/2' && overHttp2(ca);
    let abort, timer;
    const connect = async () => {
      ask(reader);
      abort = new AbortController();
      try {
        const response = await (http2 ? http2.fetch : fetch)(from(url, reader.last), {
          signal: abort.signal,
        });
        if (response.status !== 200) reader.refused = response.status;
        else await read(response.body, (line) => take(reader, line));
      } catch {
        /* cut: come back from the last whole line */
      }
      if (!abort.signal.aborted) timer = setTimeout(connect, pause);
    };
    void connect();
    reader.close = () => {
      clearTimeout(timer);
      abort.abort();
    };
    reader.end = () => {
      reader.close();
      http2?.close?.();
    };
  },

  ws(reader, url, _way, ca) {
    let socket, timer;
    const connect = () => {
      ask(reader);
      socket = new WebSocket(from(url.replace('http', 'ws'), reader.last), { ca });
      socket.on('message', (data, binary) =>
        binary ? reader.ledger.fault('a binary frame') : take(reader, data),
      );
      socket.on('unexpected-response', (_request, response) => {
        reader.refused = response.statusCode;
        socket.terminate();
      });
      socket.on('error', () => {
        /* close follows */
      });
      socket.on('close', () => {
        timer = setTimeout(connect, pause);
      });
    };
    void connect();
    reader.close = () => {
      socket.removeAllListeners('close');
      clearTimeout(timer);
      socket.terminate();
    };
    reader.end = reader.close;
  },
};

function ask(reader) {
  reader.attempts += 1;
  reader.asked = performance.now();
}

function take(reader, text) {
  const document = json(text);
  reader.last = document.id ?? reader.last;
  reader.ledger.take(document);
}

/** Calls `each` with each whole line; the rest of a line that was cut does not count. */
async function read(body, each) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop();
    lines.filter(Boolean).forEach(each);
  }
}
