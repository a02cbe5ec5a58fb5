// The demo that has to work: a growing file, published line by line, read by every kind of client over bad connections.
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startBrowser } from './browser.mjs';
import { signal, start, stop } from './child.mjs';
import { repository, startGateway } from './gateway.mjs';
import { Ledger, seq } from './ledger.mjs';
import { line } from './lines.mjs';
import { clientsNamed } from './readers/clients.mjs';
import { startRelay } from './relay.mjs';
import { until } from './wait.mjs';

const total = 400;
const clients = clientsNamed(
  'curl, SSE',
  'curl, chunked',
  'Chromium EventSource',
  'Chromium fetch',
  'Chromium XHR',
  'Chromium WebSocket',
  'fetch-event-source',
  'npm eventsource',
  'npm ws',
  'httpx-sse',
);

let browser, gateway, folder;
before(async () => {
  gateway = await startGateway({
    'stream.retry': '300ms',
    'stream.heartbeat': '1s',
    'history.messages': '1000',
  });
  browser = await startBrowser();
  folder = await mkdtemp(join(tmpdir(), 'tricast-follow-'));
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
  if (folder) await rm(folder, { recursive: true });
});

test('every client gets every line of a growing file once and in order, whatever the network does', {
  timeout: 120_000,
}, async (t) => {
  const file = join(folder, 'app.log');
  await writeFile(file, '');

  for (const client of clients) {
    client.ledger = new Ledger(client.name);
    client.relay = await startRelay(gateway.url);
    const url = `${client.relay.url}/${client.path}/logs`;
    client.reader = await client.open(url, client.ledger, browser);
    t.after(async () => {
      await client.reader.close();
      await client.relay.close();
    });
  }
  const waiting = () =>
    clients
      .filter(({ ledger }) => !ledger.hellos.length)
      .map(({ name }) => name)
      .join(', ');
  await until(
    () => !waiting(),
    () => `hello on ${waiting()}`,
  );

  const follow = start(`${repository}tests/follow.sh`, [file, `${gateway.url}/publish/logs`], {
    detached: true,
  });
  t.after(() => stop(follow, 'SIGKILL'));
  await append(file);
  const behind = () =>
    clients
      .filter(({ ledger }) => ledger.messages.length < total)
      .map(({ name, ledger }) => `${name} (has ${ledger.messages.length} of ${total})`)
      .join(', ');
  await until(
    () => !behind(),
    () => `the rest on ${behind()}; follow.sh says: ${follow.errors}`,
    { timeout: 30_000 },
  );

  signal(follow, 'SIGINT');
  assert.equal(await follow.exited, 0, follow.errors);
  const answer = JSON.parse(follow.output);
  const history = await gateway.history('logs');
  assert.deepEqual(answer, { published: total, first: history.at(0).id, last: history.at(-1).id });

  const written = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  assert.equal(written.length, total);
  for (const { name, relay, ledger } of clients) {
    t.diagnostic(
      `${name.padEnd(21)} ${ledger.messages.length} lines, ${relay.cuts} cuts, ${ledger.hellos.length} connections`,
    );
    assert.deepEqual(ledger.problems, [], name);
    assert.deepEqual(ledger.control, [], `${name}: no gap, no goodbye`);
    assert.deepEqual(ledger.data, written, name);
    assert.ok(
      ledger.ids.every((id, i) => i === 0 || seq(id) > seq(ledger.ids[i - 1])),
      `${name}: ids grow`,
    );
    assert.deepEqual(ledger.messages, history, `${name}: the same documents as in the log`);
    assert.ok(
      ledger.hellos.slice(1).every((hello) => hello.recovered),
      `${name}: each return recovered`,
    );
    assert.ok(ledger.hellos.length > relay.cuts, `${name}: came back after each cut`);
  }
});

test('follow.sh turns any bytes between two newlines into one message', {
  timeout: 30_000,
}, async (t) => {
  const lines = Array.from({ length: 256 }, (_, byte) => Buffer.from([0x61, byte, 0x62])).filter(
    (bytes) => bytes[1] !== 0x0a,
  );
  const file = join(folder, 'bytes.log');
  await writeFile(file, Buffer.concat(lines.flatMap((bytes) => [bytes, Buffer.from('\n')])));
  const follow = start(`${repository}tests/follow.sh`, [file, `${gateway.url}/publish/bytes`], {
    detached: true,
  });
  t.after(() => stop(follow, 'SIGKILL'));
  const history = await until(
    async () => {
      const messages = await gateway.history('bytes');
      return messages.length >= lines.length && messages;
    },
    () => `${lines.length} messages; follow.sh says: ${follow.errors}`,
  );
  // What is not UTF-8 arrives as U+FFFD, as in every browser.
  assert.deepEqual(
    history.map(({ data }) => data),
    lines.map((bytes) => bytes.toString('utf8')),
  );
  signal(follow, 'SIGTERM');
  assert.equal(await follow.exited, 0, follow.errors);
});

/** Writes the file in small bursts, and cuts each client twice while it does. */
async function append(file) {
  const cuts = clients.flatMap((client, i) => [
    { at: 40 + 14 * i, client },
    // In the middle of a message: half its bytes arrive, then the connection is gone.
    { at: 210 + 14 * i, client, inside: true },
  ]);
  for (let i = 0; i < total; ) {
    const burst = 1 + (i % 4);
    const text = Buffer.from(
      Array.from({ length: Math.min(burst, total - i) }, (_, k) => `${line(i + k)}\n`).join(''),
    );
    // Some lines come in two writes: a follower must not take half a line for a line.
    const half = i % 5 ? 0 : Math.floor(text.length / 2);
    if (half) await appendFile(file, text.subarray(0, half));
    await appendFile(file, text.subarray(half));
    i += burst;
    while (cuts.length && Math.min(...cuts.map(({ at }) => at)) <= i) {
      const [next] = cuts.sort((a, b) => a.at - b.at).splice(0, 1);
      // A cut counts only when it hits a live stream, so the client has to be back from the one before.
      await until(
        () => next.client.ledger.hellos.length > next.client.relay.cuts,
        `${next.client.name} to be back`,
      );
      next.client.relay.cut(next);
    }
    // The pace of a busy log, not a wait for anything.
    await pause(25);
  }
}
