// Talking on a WebSocket, from Node and from a browser with nothing but `new WebSocket(url, protocols)`; compressed and not.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import { startBrowser } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { until } from './wait.mjs';

let browser, gateway;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  gateway = await startGateway({ 'ws.compression': 'true' });
});
afterEach(() => gateway?.stop());

/** Runs here and in the page: opens, talks through every command, and gives what was heard. */
async function converse(Socket, url, history) {
  const socket = new Socket(url, ['tricast.v1.json']);
  const documents = [];
  const answers = new Map();
  const done = new Promise((resolve, reject) => {
    socket.onclose = (event) => resolve({ code: event.code, reason: event.reason });
    socket.onerror = () => reject(new Error('the WebSocket failed'));
  });
  socket.onmessage = (event) => {
    const document = JSON.parse(event.data);
    if (document.ref === undefined) documents.push(document);
    else answers.get(document.ref)(document);
  };
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  let next = 1;
  const ask = (command) =>
    new Promise((resolve) => {
      answers.set(next, resolve);
      socket.send(JSON.stringify({ ...command, ref: next++ }));
    });
  const told = async (wanted) => {
    while (!documents.some(wanted))
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    return documents.find(wanted);
  };
  const heard = { protocol: socket.protocol, extensions: socket.extensions };
  heard.subscribed = await ask({ type: 'subscribe', channel: 'prices', last_event_id: history });
  heard.old = await told((d) => d.channel === 'prices');
  const large = {
    rows: Array.from({ length: 500 }, (_, n) => ({ n, name: 'the same name again' })),
  };
  heard.published = await ask({ channel: 'prices', data: large });
  heard.same = JSON.stringify((await told((d) => d.data?.rows)).data) === JSON.stringify(large);
  heard.online = await ask({ type: 'online', channel: 'prices' });
  heard.held = await ask({ type: 'history', channel: 'prices', since: 1 });
  heard.wrong = await ask({ channel: 'prices', data: 1, colour: 'red' });
  heard.left = await ask({ type: 'unsubscribe', channel: 'prices' });
  heard.pong = await ask({ type: 'ping' });
  socket.close(1000, 'enough');
  heard.close = await done;
  return heard;
}

function check(heard) {
  assert.equal(heard.protocol, 'tricast.v1.json');
  assert.match(heard.extensions.toString(), /permessage-deflate/);
  assert.equal(heard.subscribed.recovered, true);
  assert.equal(heard.old.data, 'the second');
  assert.equal(heard.published.subscribers, 1);
  assert.equal(heard.same, true, 'what comes back is what was sent');
  assert.equal(heard.online.count.connections, 1);
  assert.equal(heard.held.history.messages[0].id, heard.published.published);
  assert.equal(heard.wrong.type, 'urn:tricast:unknown-field');
  assert.equal(heard.left.unsubscribed, 'prices');
  assert.equal(heard.pong.event, 'tricast.ack');
  assert.equal(heard.close.code, 1000);
}

for (const [name, run] of Object.entries({
  'npm ws': (url, history) => converse(WebSocket, url, history),
  Chromium: async (url, history) => {
    const page = await browser.newPage();
    await page.goto(gateway.url);
    const heard = await page.evaluate(
      `(${converse})(WebSocket, ${JSON.stringify(url)}, ${JSON.stringify(history)})`,
    );
    await page.close();
    return heard;
  },
})) {
  test(`${name} says everything that can be said, compressed`, { timeout: 60_000 }, async () => {
    const first = await gateway.publish('prices', 'the first');
    await gateway.publish('prices', 'the second');
    check(await run(`${gateway.url.replace('http', 'ws')}/ws/lobby`, first.id));
    await until(async () => (await gateway.online('lobby')).connections === 0, 'it to be gone');
  });
}

test('bytes go both ways on a raw WebSocket, and a JSON reader sees base64', {
  timeout: 60_000,
}, async () => {
  const open = async (path) => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}${path}`);
    const messages = [];
    // From the beginning: the first may come with the handshake.
    socket.on('message', (data, binary) => messages.push({ data, binary }));
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    const next = async () => {
      await until(() => messages.length > 0, `a message on ${path}`);
      return messages.shift();
    };
    return { socket, next };
  };
  const json = await open('/ws/bytes');
  await json.next();
  const [one, two] = [await open('/ws/bytes?format=raw'), await open('/ws/bytes?format=raw')];
  const bytes = Buffer.from(Array.from({ length: 2000 }, (_, n) => n % 7));
  one.socket.send(bytes);
  const { data, binary } = await two.next();
  assert.ok(binary && data.equals(bytes));
  const document = JSON.parse((await json.next()).data);
  assert.equal(document.encoding, 'base64');
  assert.ok(Buffer.from(document.data, 'base64').equals(bytes));
  for (const { socket } of [json, one, two]) socket.close();
});
