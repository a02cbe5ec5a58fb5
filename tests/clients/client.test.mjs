// The client module of the page in Chromium: its choice of wire, its reconnects and its refusals.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { buildOwnClient } from './readers/own-client.mjs';
import { until } from './wait.mjs';

let browser, gateway, script, page;
const closing = [];
before(async () => {
  browser = await startBrowser();
  script = await buildOwnClient();
});
after(() => browser?.close());
beforeEach(async () => {
  gateway = await startGateway({ 'cors.origins': '*', 'stream.retry': '200ms' });
});
afterEach(async () => {
  await page?.context().close();
  for (const close of closing.splice(0)) await close();
  await gateway?.stop();
});

/** Opens a connection in a page of the gateway; the page records its callbacks. */
async function connect(options) {
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.goto(`${gateway.url}/#unused`);
  await page.addScriptTag({ content: script });
  await page.evaluate(
    (options) => {
      const recorded = { states: [], data: [], control: [] };
      const connection = Tricast.connect({
        ...options,
        onMessage: (message, wire) => recorded.data.push(`${wire} ${message.data}`),
        onControl: (control, wire) => recorded.control.push(`${wire} ${control.event}`),
        onState: (state, wire, problem) =>
          recorded.states.push([state, wire, problem?.status].filter(Boolean).join(' ')),
      });
      Object.assign(globalThis, { recorded, connection });
    },
    { channel: 'room', ...options },
  );
}
const recorded = (what) => page.evaluate((what) => globalThis.recorded[what], what);
const states = (...expected) =>
  until(
    async () =>
      JSON.stringify(await recorded('states')).startsWith(JSON.stringify(expected).slice(0, -1)),
    async () => `${JSON.stringify(expected)}; it was ${JSON.stringify(await recorded('states'))}`,
  );
const expectData = async (...expected) => {
  await until(
    async () => (await recorded('data')).length >= expected.length,
    async () => `${expected}; it was ${await recorded('data')}`,
  );
  assert.deepEqual(await recorded('data'), expected);
};

/** Starts a proxy that breaks some requests; `spoil` returns true for those that it has handled. */
async function proxy(spoil) {
  const server = createServer((from, to) => {
    to.setHeader('Access-Control-Allow-Origin', '*');
    if (spoil(from, to)) return;
    const forward = request(
      gateway.url + from.url,
      { method: from.method, headers: from.headers },
      (answer) => {
        to.writeHead(answer.statusCode, answer.headers);
        answer.pipe(to);
      },
    );
    forward.on('error', () => to.destroy());
    to.on('close', () => forward.destroy());
    from.pipe(forward);
  });
  // Without a listener for upgrades Node treats them as plain requests.
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/`;
}

test('a connection uses WebSocket if it works, and can send', { timeout: 60_000 }, async () => {
  await connect({});
  await states('live ws');
  await page.evaluate(() => connection.send({ data: 'sent' }));
  await expectData('ws sent');
  assert.ok((await recorded('control')).includes('ws tricast.ack'));
  await page.evaluate(() => connection.close());
  await states('live ws', 'closed ws');
  await until(async () => (await gateway.online('room')).connections === 0, 'it to be gone');
  assert.equal(await page.evaluate(() => connection.send({ data: 'late' })), false);
});

test('a connection falls back to SSE behind a proxy that blocks WebSockets, and to chunked behind a buffer', {
  timeout: 60_000,
}, async () => {
  await connect({ gateway: await proxy(() => false) });
  await states('reconnecting ws', 'live sse');
  await gateway.publish('room', 'one');
  await expectData('sse one');
  await page.context().close();

  const held = await proxy(({ url }) => url.startsWith('/sse'));
  await connect({ gateway: held, helloTimeout: 500 });
  await states('reconnecting ws', 'live chunked');
  await gateway.publish('room', 'two');
  await expectData('chunked two');
});

test('a connection resumes on another wire at its position', { timeout: 60_000 }, async () => {
  let blocked = false;
  const streams = new Set();
  const sometimes = await proxy(({ url }, to) => {
    streams.add(to);
    if (!blocked || !url.startsWith('/sse')) return false;
    to.writeHead(502).end();
    return true;
  });
  await connect({ gateway: sometimes, wires: ['sse', 'chunked'] });
  await states('live sse');
  await gateway.publish('room', 'one');
  await expectData('sse one');
  blocked = true;
  for (const to of streams) to.destroy();
  await gateway.publish('room', 'two');
  await expectData('sse one', 'chunked two');
  assert.equal((await recorded('states')).at(-1), 'live chunked');
  assert.equal(await page.evaluate(() => connection.repeated), 0);
});

test('a permanent refusal is reported once with its reason on every wire', {
  timeout: 60_000,
}, async () => {
  for (const wires of [['ws', 'sse', 'chunked'], ['ws'], ['sse'], ['chunked']]) {
    await connect({ wires, channel: '@somebody-else' });
    await until(
      async () => (await recorded('states')).at(-1) === `closed ${wires.at(-1)} 403`,
      async () => `a 403: ${await recorded('states')}`,
    );
    assert.equal(
      (await recorded('states')).filter((state) => state.startsWith('closed')).length,
      1,
    );
    await page.context().close();
  }
});

test('duplicates are dropped', { timeout: 60_000 }, async () => {
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.routeWebSocket(/\/ws\//, (socket) => {
    const say = (document) => socket.send(JSON.stringify(document));
    const message = (id, data) => say({ id, channel: 'room', event: 'message', data, time: 1 });
    say({
      id: 'a-5',
      event: 'tricast.hello',
      channels: ['room'],
      client: 'x',
      issued: true,
      recovered: false,
      online: {},
      heartbeat: 60_000,
      time: 1,
    });
    message('a-6', 'six');
    message('a-6', 'six');
    message('a-5', 'five');
    message('a-7', 'seven');
    // Another epoch is another log.
    message('b-1', 'one');
  });
  await page.goto(`${gateway.url}/#unused`);
  await page.addScriptTag({ content: script });
  await page.evaluate(() => {
    const recorded = { data: [] };
    const connection = Tricast.connect({
      channel: 'room',
      wires: ['ws'],
      onMessage: ({ data }, wire) => recorded.data.push(`${wire} ${data}`),
    });
    Object.assign(globalThis, { recorded, connection });
  });
  await expectData('ws six', 'ws seven', 'ws one');
  assert.deepEqual(await page.evaluate(() => [connection.repeated, connection.last]), [2, 'b-1']);
});

test('no message is named like an event of the EventSource, so only a failure looks like one', {
  timeout: 60_000,
}, async () => {
  await connect({ wires: ['sse'], events: ['error', 'open'] });
  await states('live sse');
  for (const name of ['error', 'open']) {
    const answer = await fetch(`${gateway.url}/publish/room?event=${name}`, {
      method: 'POST',
      body: '1',
    });
    assert.equal((await answer.json()).type, 'urn:tricast:reserved-event');
  }
  await gateway.publish('room', 2, '?event=message');
  await expectData('sse 2');
  assert.deepEqual(await recorded('states'), ['live sse'], 'nothing has failed');
  // A real failure is still reported.
  await fetch(`${gateway.admin}/connections`, { method: 'DELETE' }).then((answer) => answer.text());
  await gateway.stop();
  await states('live sse', 'reconnecting sse');
  gateway = null;
});

test('a connection to a channel that has ended closes for good', { timeout: 60_000 }, async () => {
  const { id } = await gateway.publish('room', 'last', '?end=true');
  await connect({ wires: ['sse'], since: id });
  await states('closed sse 204');
});

test('a token is in a URL only on the wire that has no other place for it', {
  timeout: 60_000,
}, async () => {
  const asked = [];
  const url = await proxy(({ url, headers }) => {
    asked.push({ url, headers });
  });
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.goto(`${gateway.url}/#unused`);
  await page.addScriptTag({ content: script });
  for (const wire of ['chunked', 'ws', 'sse']) {
    // What the wire before still asks may come late.
    const requests = () => asked.filter(({ url }) => url.startsWith(`/${wire}/`));
    await page.evaluate(
      ([gateway, wire]) => {
        globalThis.connection = Tricast.connect({
          gateway,
          channel: 'room',
          wires: [wire],
          token: () => 'secret.token',
        });
      },
      [url, wire],
    );
    await until(() => requests().length > 0, `${wire} to ask`);
    await page.evaluate(() => connection.close());
    const inAddress = requests().some(({ url }) => url.includes('secret'));
    assert.equal(inAddress, wire === 'sse', `${wire}: an EventSource has no other place`);
    if (wire === 'chunked')
      assert.ok(
        requests().some(
          ({ headers }) =>
            headers.authorization === 'Bearer secret.token' ||
            headers['access-control-request-headers'],
        ),
      );
    if (wire === 'ws')
      assert.match(
        requests()[0].headers['sec-websocket-protocol'],
        /tricast\.v1\.json, ?tricast\.token\.secret\.token/,
      );
  }
});

test('a callback that throws does not lose the next message', { timeout: 60_000 }, async () => {
  for (const wire of ['ws', 'sse', 'chunked']) {
    await page?.context().close();
    await connect({ wires: [wire] });
    await states(`live ${wire}`);
    await page.evaluate(() => {
      const { push } = globalThis.recorded.data;
      globalThis.recorded.data.push = function fail(...rows) {
        push.apply(this, rows);
        if (rows[0].endsWith('1')) throw new Error('the page fails');
      };
    });
    await gateway.publish('room', 1);
    await gateway.publish('room', 2);
    await expectData(`${wire} 1`, `${wire} 2`);
    assert.deepEqual(await recorded('states'), [`live ${wire}`]);
  }
});

for (const wire of ['ws', 'sse', 'chunked']) {
  test(`tricast.alive moves the cursor on ${wire} and delivers no message`, {
    timeout: 60_000,
  }, async () => {
    await gateway.stop();
    gateway = await startGateway({
      'cors.origins': '*',
      'stream.retry': '200ms',
      'stream.heartbeat': '200ms',
      'history.messages': '2',
    });
    const client = 'a-client-of-the-page';
    await connect({ wires: [wire], client });
    await states(`live ${wire}`);
    const quiet = '?client=a-client-of-the-page&skip_self=true';
    let last;
    // More messages than the history holds: a resume from before them would report a gap.
    for (const text of ['one', 'two', 'three']) {
      await gateway.publish('elsewhere', text);
      ({ id: last } = await gateway.publish('room', text, quiet));
      const at = () => page.evaluate(() => connection.last);
      await until(
        async () => (await at()) === last,
        async () => `${last}; it was ${await at()}`,
      );
    }
    await page.evaluate(() => connection.drop());
    await states(`live ${wire}`, `reconnecting ${wire}`, `live ${wire}`);
    await gateway.publish('room', 'later');
    await expectData(`${wire} later`);
    const control = await recorded('control');
    assert.ok(
      control.includes(`${wire} tricast.alive`) && !control.includes(`${wire} tricast.gap`),
      `${control}`,
    );
  });
}
