// The npm clients: `eventsource`, which comes back by itself, and `ws`, which needs the loop that every user writes.
import { from } from './from.mjs';

const missing = () => {
  throw new Error('npm packages are missing: run make setup');
};
const { EventSource } = await import('eventsource').catch(missing);
const { WebSocket } = await import('ws').catch(missing);

const control = ['hello', 'gap', 'alive', 'online', 'goodbye'].map((name) => `tricast.${name}`);
const answers = ['start', 'delta', 'snapshot', 'end'].map((name) => `tricast.llm.${name}`);

export function eventSourceReader(url, ledger) {
  const source = new EventSource(url);
  for (const name of ['message', ...control, ...answers]) {
    source.addEventListener(name, (event) => {
      const document = JSON.parse(event.data);
      if (document.id && event.lastEventId !== document.id)
        ledger.fault(`lastEventId ${event.lastEventId} on ${document.id}`);
      ledger.take(document);
    });
  }
  return { close: () => source.close() };
}

export function wsReader(url, ledger) {
  let last = null;
  let socket = null;
  let timer = null;
  const connect = () => {
    socket = new WebSocket(from(url, last).replace('http', 'ws'));
    socket.on('message', (data, binary) => {
      if (binary) ledger.fault('a binary frame');
      const document = JSON.parse(data);
      last = document.id ?? last;
      ledger.take(document);
    });
    socket.on('error', () => {
      /* close follows */
    });
    socket.on('close', () => {
      timer = setTimeout(connect, 100);
    });
  };
  connect();
  return {
    close() {
      socket.removeAllListeners('close');
      clearTimeout(timer);
      socket.terminate();
    },
  };
}
