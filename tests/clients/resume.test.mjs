// Every client with a resume point in its URL, which it goes on repeating, and two hard cuts: what comes later in the URL or in
// the header has to count, and not what the page began with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startFirefox } from './firefox.mjs';
import { startGateway } from './gateway.mjs';
import { Ledger } from './ledger.mjs';
import { makeCertificate } from './proxies/certificate.mjs';
import { openReader } from './proxies/readers.mjs';
import { clientsNamed } from './readers/clients.mjs';
import { buildOwnClient, ownClientReader } from './readers/own-client.mjs';
import { startRelay } from './relay.mjs';
import { tlsOf } from './stage.mjs';
import { until } from './wait.mjs';

const CHANNEL = 'resumed';
/** Messages that are in the history at first, of which a client has seen `SEEN`. */
const HELD = 12;
const SEEN = 5;
/** Messages that come to an open stream, and while a client is away. */
const BURST = 10;

let browser, firefox, gateway, script, folder, ca;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'resume-'));
  const certificate = await makeCertificate(folder);
  ca = await readFile(certificate.cert);
  gateway = await startGateway({ 'stream.retry': '300ms', ...tlsOf(certificate) });
  [browser, firefox, script] = await Promise.all([
    startBrowser(),
    startFirefox(),
    buildOwnClient(),
  ]);
});
after(async () => {
  await Promise.all([browser?.close(), firefox?.close()]);
  await gateway?.stop();
  if (folder) await rm(folder, { recursive: true });
});

/** The clients: `open` takes the address of a client's own relay, and the id in its URL. */
const clients = [
  ...clientsNamed().map(({ name, path, open }) => ({
    name,
    open: (base, id, ledger) => open(`${base}/${path}/${query(id)}`, ledger, browser),
  })),
  ...['sse', 'chunked', 'ws'].map((wire) => ({
    name: `the dashboard's client, ${wire}`,
    open: (base, since, ledger) =>
      ownClientReader(browser, base, ledger, { script, wire, channel: CHANNEL, since }),
  })),
  ...['eventsource', 'fetch', 'websocket'].map((kind) => ({
    name: `Firefox ${kind}`,
    open: (base, id, ledger) => firefoxReader(base, id, ledger, kind),
  })),
  ...[
    ['sse', 'sse', 'HTTP/2'],
    ['chunked', 'chunked', 'HTTP/2'],
    ['ws', 'ws', 'TLS'],
    ['sse', 'stream', 'HTTP/1.1'],
    ['chunked', 'stream', 'HTTP/1.1'],
    ['ws', 'stream', 'HTTP/1.1'],
  ].map(([wire, path, over]) => ({
    name: `Node, ${wire} at /${path} over ${over}`,
    secure: over !== 'HTTP/1.1',
    open: (base, id, ledger) => {
      const reader = openReader({ ca }, { wire, path, over }, query(id), { base });
      reader.ledger = ledger;
      return { close: () => reader.end() };
    },
  })),
];

/** `since` counts only where no id does. */
const query = (id) => `${CHANNEL}?since=earliest&last_event_id=${id}`;

async function firefoxReader(base, id, ledger, kind) {
  const page = await firefox.newPage();
  await page.exposeFunction('take', (text) => ledger.take(JSON.parse(text)));
  await page.exposeFunction('fault', (problem) => ledger.fault(problem));
  await page.goto(`${base}/channels`);
  const path = { eventsource: 'sse', fetch: 'chunked', websocket: 'ws' }[kind];
  const inPage = readFileSync(new URL('readers/in-page.js', import.meta.url), 'utf8');
  const url = JSON.stringify(`${base}/${path}/${query(id)}`);
  await page.evaluate(`{ ${inPage}; void globalThis.readers.${kind}(${url}); }`);
  return { close: () => page.close() };
}

test('a client that repeats the resume point of its URL loses nothing, and gets nothing twice', {
  timeout: 180_000,
}, async (t) => {
  let published = 0;
  const publish = async (count) => {
    for (let i = 0; i < count; i += 1) await gateway.publish(CHANNEL, published + i);
    published += count;
  };
  await publish(HELD);
  const start = (await gateway.history(CHANNEL))[SEEN - 1].id;

  for (const client of clients) {
    client.ledger = new Ledger(client.name);
    client.relay = await startRelay(client.secure ? gateway.secure : gateway.url);
    t.after(() => client.relay.close());
  }
  const opened = clients.map(async (client) => {
    const base = client.secure ? client.relay.url.replace('http', 'https') : client.relay.url;
    client.reader = await client.open(base, start, client.ledger);
    t.after(() => client.reader.close());
  });
  await Promise.all(opened);

  /** Each client has what was published since its resume point, and has opened so many streams. */
  const all = async (streams) => {
    const late = () =>
      clients
        .filter(
          ({ ledger }) =>
            !ledger.problems.length &&
            (ledger.messages.length < published - SEEN || ledger.hellos.length < streams),
        )
        .map(
          ({ name, ledger }) =>
            `${name} (${ledger.messages.length} messages, ${ledger.hellos.length} streams)`,
        );
    await until(
      () => !late().length,
      () => `${published - SEEN} messages and ${streams} streams on: ${late().join('; ')}`,
      { timeout: 60_000 },
    );
  };
  await all(1);
  await publish(BURST);
  await all(1);
  for (const cut of [1, 2]) {
    for (const { name, relay } of clients) assert.ok(relay.cut(), `${name} is open`);
    await publish(BURST);
    await all(cut + 1);
    // To an open stream too: the next cut begins at a message that was not replayed.
    await publish(BURST);
    await all(cut + 1);
  }

  const held = (await gateway.history(CHANNEL)).slice(SEEN);
  for (const { name, ledger } of clients) {
    t.diagnostic(
      `${name.padEnd(34)} ${ledger.messages.length} messages, ${ledger.hellos.length} streams`,
    );
    assert.deepEqual(ledger.problems, [], name);
    assert.deepEqual(ledger.control, [], `${name}: no gap, no goodbye`);
    assert.deepEqual(ledger.messages, held, `${name}: all of them, once, in order`);
    assert.equal(ledger.hellos[0].id, start, `${name}: it begins after the id in its URL`);
    assert.ok(
      ledger.hellos.every(({ recovered }) => recovered),
      `${name}: it resumes each time`,
    );
  }
});
