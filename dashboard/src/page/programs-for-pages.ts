// The programs of the Code section for pages. Each resumes: it keeps the last id that it has
// received, and reconnects until a goodbye says `never`.

import type { Urls } from './snippet-urls.ts';

export const eventSource = ({ sseFrom }: Urls) => `let start = 'since=latest';
function listen() {
  const url = '${sseFrom}' + start;
  const source = new EventSource(url);
  source.onmessage = (event) => {
    const message = JSON.parse(event.data);
    start = 'last_event_id=' + message.id;
    console.log(message.id, message.data);
  };
  // A message with an event name reaches only listeners of that name:
  // source.addEventListener('price', source.onmessage);
  for (const name of ['tricast.hello', 'tricast.alive'])
    source.addEventListener(name, (event) => {
      start = 'last_event_id=' + event.lastEventId;
    });
  source.addEventListener('tricast.gap', (event) => console.warn('lost:', event.data));
  source.addEventListener('tricast.goodbye', (event) => {
    if (JSON.parse(event.data).reconnect === 'never') source.close();
  });
  source.onerror = async () => {
    // After a cut the browser reconnects and resumes by itself.
    if (source.readyState !== EventSource.CLOSED) return;
    // After an error response, such as a proxy's 502, it never does.
    const { status } = await fetch(url, { method: 'HEAD' }).catch(() => ({ status: 502 }));
    if (status === 200 || status === 429 || status >= 500) setTimeout(listen, 1000);
    else console.error('refused or ended:', status);
  };
}
listen();
`;

export const fetchLines = ({ chunkedFrom }: Urls) => `let start = 'since=latest';
let pause = 1000; // before a reconnect; null: never
while (pause !== null) {
  await listen().catch(console.warn);
  if (pause !== null) await new Promise((resolve) => setTimeout(resolve, pause));
}

async function listen() {
  const response = await fetch('${chunkedFrom}' + start);
  if (!response.ok) {
    const temporary = response.status === 429 || response.status >= 500;
    pause = temporary ? 1000 : null;
    throw new Error(await response.text());
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\\n');
    rest = lines.pop(); // not complete yet
    for (const line of lines) if (line) receive(JSON.parse(line)); // blank: a heartbeat
  }
}

function receive(message) {
  if (message.id) start = 'last_event_id=' + message.id;
  if ('data' in message) console.log(message.id, message.data);
  if (message.event === 'tricast.hello') pause = 1000;
  if (message.event === 'tricast.gap') console.warn('lost:', message);
  if (message.event === 'tricast.goodbye')
    pause = { now: 0, later: message.retry, never: null }[message.reconnect];
}
`;

export const webSocket = ({ wsFrom }: Urls) => `let start = 'since=latest';
function listen() {
  const socket = new WebSocket('${wsFrom}' + start, 'tricast.v1.json');
  let pause = 1000; // before a reconnect; null: never
  socket.onopen = () => {
    // Publishes once, not after each reconnect.
    if (start === 'since=latest') socket.send(JSON.stringify({ data: { hello: 'world' } }));
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.id) start = 'last_event_id=' + message.id;
    if ('data' in message) console.log(message.id, message.data);
    if (message.event === 'tricast.gap') console.warn('lost:', message);
    if (message.event === 'tricast.goodbye')
      pause = { now: 0, later: message.retry, never: null }[message.reconnect];
  };
  socket.onclose = () => {
    if (pause !== null) setTimeout(listen, pause);
  };
}
listen();
`;
