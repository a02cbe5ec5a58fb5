// The client module of the page, in a real browser: which wire it takes, when it gives up, and that nothing comes twice.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { run } from './child.mjs';
import { repository, startGateway } from './gateway.mjs';
import { until } from './wait.mjs';

let browser, gateway, script, page;
const closing = [];
before(async () => {
  browser = await startBrowser();
  const built = await run(`${repository}dashboard/node_modules/.bin/esbuild`, ['src/client/index.ts', '--bundle', '--format=iife',
    '--global-name=Tricast'], { cwd: `${repository}dashboard`, hint: 'run make page' });
  assert.equal(built.code, 0, built.errors);
  script = built.output;
});
after(() => browser?.close());
beforeEach(async () => { gateway = await startGateway({ 'cors.origins': '*', 'stream.retry': '200ms' }); });
afterEach(async () => {
  await page?.context().close();
  for (const close of closing.splice(0)) await close();
  await gateway?.stop();
});

/** Opens a connection in a page of the gateway's; what it tells is kept in the page. */
async function connect(options) {
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.goto(`${gateway.url}/#unused`);
  await page.addScriptTag({ content: script });
  await page.evaluate((options) => {
    const told = { states: [], data: [], control: [] };
    const connection = Tricast.connect({
      ...options,
      onMessage: (message, wire) => told.data.push(`${wire} ${message.data}`),
      onControl: (control, wire) => told.control.push(`${wire} ${control.event}`),
      onState: (state, wire, problem) => told.states.push([state, wire, problem?.status].filter(Boolean).join(' ')),
    });
    Object.assign(globalThis, { told, connection });
  }, { channel: 'room', ...options });
}
const told = (what) => page.evaluate((what) => globalThis.told[what], what);
const states = (...expected) => until(async () => JSON.stringify(await told('states')).startsWith(JSON.stringify(expected).slice(0, -1)),
  async () => `${JSON.stringify(expected)}; it was ${JSON.stringify(await told('states'))}`);
const heard = async (...expected) => {
  await until(async () => (await told('data')).length >= expected.length, async () => `${expected}; it was ${await told('data')}`);
  assert.deepEqual(await told('data'), expected);
};

/** A proxy that does something bad to some requests; `spoil` gives true for those that it has dealt with. */
async function proxy(spoil) {
  const server = createServer((from, to) => {
    to.setHeader('Access-Control-Allow-Origin', '*');
    if (spoil(from, to)) return;
    const forward = request(gateway.url + from.url, { method: from.method, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode, answer.headers);
      answer.pipe(to);
    });
    forward.on('error', () => to.destroy());
    to.on('close', () => forward.destroy());
    from.pipe(forward);
  });
  // Without a listener for upgrades node answers them as plain requests.
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  closing.push(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${server.address().port}/`;
}

test('WebSocket where it works, and it can speak', { timeout: 60_000 }, async () => {
  await connect({});
  await states('live ws');
  await page.evaluate(() => connection.send({ data: 'spoken' }));
  await heard('ws spoken');
  assert.ok((await told('control')).includes('ws tricast.ack'));
  await page.evaluate(() => connection.close());
  await states('live ws', 'closed ws');
  await until(async () => (await gateway.online('room')).connections === 0, 'it to be gone');
  assert.equal(await page.evaluate(() => connection.send({ data: 'late' })), false);
});

test('SSE where WebSockets are not let through, chunked where SSE is held back', { timeout: 60_000 }, async () => {
  await connect({ gateway: await proxy(() => false) });
  await states('reconnecting ws', 'live sse');
  await gateway.publish('room', 'one');
  await heard('sse one');
  await page.context().close();

  const held = await proxy(({ url }) => url.startsWith('/sse'));
  await connect({ gateway: held, helloTimeout: 500 });
  await states('reconnecting ws', 'live chunked');
  await gateway.publish('room', 'two');
  await heard('chunked two');
});

test('it goes on on another wire where it was on the one before', { timeout: 60_000 }, async () => {
  let blocked = false;
  const streams = new Set();
  const sometimes = await proxy(({ url }, to) => {
    streams.add(to);
    return blocked && url.startsWith('/sse') && (to.writeHead(502).end(), true);
  });
  await connect({ gateway: sometimes, wires: ['sse', 'chunked'] });
  await states('live sse');
  await gateway.publish('room', 'one');
  await heard('sse one');
  blocked = true;
  for (const to of streams) to.destroy();
  await gateway.publish('room', 'two');
  await heard('sse one', 'chunked two');
  assert.equal((await told('states')).at(-1), 'live chunked');
  assert.equal(await page.evaluate(() => connection.repeated), 0);
});

test('a refusal that stays is told once, with its reason, whatever the wire', { timeout: 60_000 }, async () => {
  for (const wires of [['ws', 'sse', 'chunked'], ['ws'], ['sse'], ['chunked']]) {
    await connect({ wires, channel: '@somebody-else' });
    await until(async () => (await told('states')).at(-1) === `closed ${wires.at(-1)} 403`, async () => `a 403: ${await told('states')}`);
    assert.equal((await told('states')).filter((state) => state.startsWith('closed')).length, 1);
    await page.context().close();
  }
});

test('what comes a second time is not passed on', { timeout: 60_000 }, async () => {
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.routeWebSocket(/\/ws\//, (socket) => {
    const say = (document) => socket.send(JSON.stringify(document));
    const message = (id, data) => say({ id, channel: 'room', event: 'message', data, time: 1 });
    say({ id: 'a-5', event: 'tricast.hello', channels: ['room'], client: 'x', issued: true, recovered: false, online: {}, heartbeat: 60_000, time: 1 });
    message('a-6', 'six');
    message('a-6', 'six');
    message('a-5', 'five');
    message('a-7', 'seven');
    // Another life of the log begins anew.
    message('b-1', 'one');
  });
  await page.goto(`${gateway.url}/#unused`);
  await page.addScriptTag({ content: script });
  await page.evaluate(() => {
    const told = { data: [] };
    const connection = Tricast.connect({ channel: 'room', wires: ['ws'], onMessage: ({ data }, wire) => told.data.push(`${wire} ${data}`) });
    Object.assign(globalThis, { told, connection });
  });
  await heard('ws six', 'ws seven', 'ws one');
  assert.deepEqual(await page.evaluate(() => [connection.repeated, connection.last]), [2, 'b-1']);
});

test('events that are named like those of a source itself are messages like others', { timeout: 60_000 }, async () => {
  await connect({ wires: ['sse'], events: ['error', 'open'] });
  await states('live sse');
  await gateway.publish('room', 1, '?event=error');
  await gateway.publish('room', 2, '?event=open');
  await heard('sse 1', 'sse 2');
  assert.deepEqual(await told('states'), ['live sse'], 'nothing has failed');
  // And a failure is still one.
  await fetch(`${gateway.admin}/connections`, { method: 'DELETE' }).then((answer) => answer.text());
  await gateway.stop();
  await states('live sse', 'reconnecting sse');
  gateway = null;
});

test('a channel that has ended is not asked for again and again', { timeout: 60_000 }, async () => {
  const { id } = await gateway.publish('room', 'last', '?end=true');
  await connect({ wires: ['sse'], since: id });
  await states('closed sse 204');
});

test('a token leaves no trace in addresses where the wire has another place for it', { timeout: 60_000 }, async () => {
  const asked = [];
  const url = await proxy(({ url, headers }) => { asked.push({ url, headers }); });
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.goto(`${gateway.url}/#unused`);
  await page.addScriptTag({ content: script });
  for (const wire of ['chunked', 'ws', 'sse']) {
    asked.length = 0;
    await page.evaluate(([gateway, wire]) => { globalThis.connection = Tricast.connect({ gateway, channel: 'room', wires: [wire], token: () => 'secret.token' }); }, [url, wire]);
    await until(() => asked.length > 0, `${wire} to ask`);
    await page.evaluate(() => connection.close());
    const inAddress = asked.some(({ url }) => url.includes('secret'));
    assert.equal(inAddress, wire === 'sse', `${wire}: an EventSource has no other place`);
    if (wire === 'chunked') assert.ok(asked.some(({ headers }) => headers.authorization === 'Bearer secret.token' || headers['access-control-request-headers']));
    if (wire === 'ws') assert.match(asked[0].headers['sec-websocket-protocol'], /tricast\.v1\.json, ?tricast\.token\.secret\.token/);
  }
});

test('a page that fails at a message does not lose the next', { timeout: 60_000 }, async () => {
  for (const wire of ['ws', 'sse', 'chunked']) {
    await page?.context().close();
    await connect({ wires: [wire] });
    await states(`live ${wire}`);
    await page.evaluate(() => {
      const { push } = globalThis.told.data;
      globalThis.told.data.push = function fail(...rows) { push.apply(this, rows); if (rows[0].endsWith('1')) throw new Error('the page fails'); };
    });
    await gateway.publish('room', 1);
    await gateway.publish('room', 2);
    await heard(`${wire} 1`, `${wire} 2`);
    assert.deepEqual(await told('states'), [`live ${wire}`]);
  }
});

for (const wire of ['ws', 'sse', 'chunked']) {
  test(`a cursor that moves in silence is taken over on ${wire}, and nothing is passed on for it`, { timeout: 60_000 }, async () => {
    await gateway.stop();
    gateway = await startGateway({ 'cors.origins': '*', 'stream.retry': '200ms', 'stream.heartbeat': '200ms', 'history.messages': '2' });
    const client = 'a-client-of-the-page';
    await connect({ wires: [wire], client });
    await states(`live ${wire}`);
    const quiet = '?client=a-client-of-the-page&skip_self=true';
    let last;
    // More than the channel holds: who comes back from before them is told a gap.
    for (const text of ['one', 'two', 'three']) {
      await gateway.publish('elsewhere', text);
      ({ id: last } = await gateway.publish('room', text, quiet));
      const at = () => page.evaluate(() => connection.last);
      await until(async () => await at() === last, async () => `${last}; it was ${await at()}`);
    }
    await page.evaluate(() => connection.drop());
    await states(`live ${wire}`, `reconnecting ${wire}`, `live ${wire}`);
    await gateway.publish('room', 'heard');
    await heard(`${wire} heard`);
    const control = await told('control');
    assert.ok(control.includes(`${wire} tricast.alive`) && !control.includes(`${wire} tricast.gap`), `${control}`);
  });
}
