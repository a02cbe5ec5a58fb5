// The gateway with its log on disk, killed and started again and again under load: every client hears every message once, in
// order, without a gap. RESTARTS and RATE make it longer and faster (make soak).
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBrowser } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { Ledger, seq } from './ledger.mjs';
import { freePort } from './port.mjs';
import { clientsNamed } from './readers/clients.mjs';
import { until } from './wait.mjs';

const RESTARTS = Number(process.env.RESTARTS ?? 4);
/** Of the gateway that is killed, which is up again sooner. */
const KILLS = Number(process.env.KILLS ?? RESTARTS);
/** Messages a second, of the publisher of lines. */
const RATE = Number(process.env.RATE ?? 200);
/** Messages of that publisher between two restarts. */
const BURST = RATE;
/** Lines in one body. */
const BODY = 50;
const CHANNEL = 'kept';

/** They stop at the clean end of a stream (docs/client-libraries.md), so a gateway that drains ends them. */
const STOP_AT_END = ['fetch-event-source', 'r3labs/sse for Go'];

/** They give out what came of an event that was cut off, against the standard, and resume from what came of its id. */
const TAKE_HALVES = ['r3labs/sse for Go'];

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

const again = async (ended, settings) => {
  await ended;
  return startGateway(settings);
};

for (const [name, restarts, restart, others] of [
  [
    'killed and started again',
    KILLS,
    (gateway, settings) => again(gateway.kill(), settings),
    TAKE_HALVES,
  ],
  [
    'stopped and started again',
    RESTARTS,
    (gateway, settings) => again(gateway.stop(), settings),
    STOP_AT_END,
  ],
  ['upgraded', RESTARTS, (gateway) => gateway.upgrade(), STOP_AT_END],
])
  test(`a gateway that is ${name} loses nothing`, {
    timeout: 120_000 + restarts * 20_000,
  }, async (t) => {
    const path = await mkdtemp(join(tmpdir(), 'restarts-'));
    const port = await freePort();
    const settings = {
      bind: `127.0.0.1:${port}`,
      'log.path': path,
      'stream.retry': '200ms',
      'shutdown.grace': '1s',
    };
    let gateway = await startGateway(settings);
    const posts = new PostPublisher(gateway.url);
    const lines = new LinePublisher(gateway.url);
    const opened = [];
    t.after(async () => {
      posts.over = lines.over = true;
      await Promise.all(opened.map((reader) => reader.close()));
      await gateway.stop();
      await rm(path, { recursive: true });
    });
    await gateway.publish(CHANNEL, 'first');
    const clients = clientsNamed().filter((client) => !others.includes(client.name));
    for (const client of clients) {
      client.ledger = new Ledger(client.name);
      const url = `${gateway.url}/${client.path}/${CHANNEL}?since=earliest`;
      opened.push(await client.open(url, client.ledger, browser));
    }
    const all = (what) => allHear(what, clients);
    await all('first');
    const publishing = [posts.run(), lines.run()];
    for (let count = 0; count < restarts; count += 1) {
      const before = lines.sent;
      await until(
        () => lines.sent >= before + BURST,
        () =>
          `line ${before + BURST}, after ${count} restarts; ${lines.sent} were sent, and now ${lines.does}`,
        { timeout: 60_000 },
      );
      gateway = await restart(gateway, settings);
    }
    posts.over = lines.over = true;
    await Promise.all(publishing);
    await gateway.publish(CHANNEL, 'last');
    await all('last');

    const [{ ledger: first }] = clients;
    for (const { name: client, ledger } of clients) {
      assert.deepEqual(ledger.problems, [], client);
      const gaps = ledger.control.filter(({ event }) => event === 'tricast.gap');
      assert.deepEqual(gaps, [], `${client}: no gap`);
      assert.ok(
        ledger.hellos.slice(1).every(({ recovered }) => recovered),
        `${client} resumes each time`,
      );
      const seqs = ledger.ids.map(seq);
      assert.ok(
        seqs.every((one, at) => at === 0 || one > seqs[at - 1]),
        `${client}: in order, each once`,
      );
      assert.deepEqual(ledger.ids, first.ids, `${client}: the same messages`);
      assert.deepEqual(ledger.data, first.data, `${client}: the same data`);
    }
    assert.equal(new Set(first.ids.map((id) => id.split('-')[0])).size, 1, 'one epoch');

    const heard = (kind) => first.data.filter((data) => data.startsWith(kind));
    assert.deepEqual(heard('p'), posts.acknowledged, 'what is repeated is published once');
    const heardLines = heard('n');
    const sent = new Set(lines.lines);
    assert.equal(new Set(heardLines).size, heardLines.length, 'no line twice');
    assert.ok(
      heardLines.every((line) => sent.has(line)),
      'only lines that were sent',
    );
    const there = new Set(heardLines);
    const lost = lines.acknowledged.filter((line) => !there.has(line));
    assert.deepEqual(lost, [], 'no acknowledged line is lost');
    t.diagnostic(
      `${restarts} restarts: ${posts.acknowledged.length} posts, ${lines.acknowledged.length} of ` +
        `${lines.sent} lines acknowledged, ${heardLines.length} heard, ${clients.length} clients`,
    );
    assert.ok(lines.acknowledged.length > 0 && posts.acknowledged.length >= restarts);
  });

/** Waits for the last message on all clients, which may be slow, as long as each still gets some. */
async function allHear(what, clients) {
  for (const { name, ledger } of clients)
    while (ledger.newest !== what) {
      const before = ledger.messages.length;
      const more = () => ledger.messages.length > before;
      await until(more, () => `${what} on ${name} (${before})`, { timeout: 60_000 });
    }
}

/** Publishes one message after the other, each with an id, and repeats it until it is acknowledged. */
class PostPublisher {
  constructor(url) {
    Object.assign(this, { url, acknowledged: [], over: false });
  }

  async run() {
    while (!this.over) {
      const data = `p${this.acknowledged.length}`;
      while (!(await this.post(data))) await sleep(20);
      this.acknowledged.push(data);
    }
  }

  async post(data) {
    try {
      const options = { method: 'POST', body: data, headers: { 'Content-Type': 'text/plain' } };
      const answer = await fetch(`${this.url}/publish/${CHANNEL}?id=${data}`, options);
      await answer.text();
      // Anything but a refusal for now would be a fault of the gateway, and never end.
      assert.ok([200, 503].includes(answer.status), `${answer.status}`);
      return answer.ok;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return false;
    }
  }
}

/** Publishes lines in bodies of `BODY`, and never repeats one. */
class LinePublisher {
  constructor(url) {
    Object.assign(this, { url, lines: [], acknowledged: [], over: false, does: 'it begins' });
  }

  get sent() {
    return this.lines.length;
  }

  async run() {
    while (!this.over) {
      const from = this.lines.length;
      this.does = 'it connects';
      const published = await this.body().catch(() => 0);
      this.does = 'it waits';
      this.acknowledged.push(...this.lines.slice(from, from + published));
      if (!published) await sleep(20);
    }
  }

  /** Sends one body; resolves with the number of lines that are acknowledged. */
  body() {
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/x-ndjson' };
      const sending = request(`${this.url}/publish/${CHANNEL}`, { method: 'POST', headers });
      let timer;
      sending.on('response', (answer) => {
        this.does = `it reads the answer ${answer.statusCode}`;
        let text = '';
        answer.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        answer.on('end', () => {
          clearInterval(timer);
          resolve(JSON.parse(text).published ?? 0);
        });
        answer.on('error', reject);
      });
      sending.on('error', reject);
      sending.on('close', () => clearInterval(timer));
      sending.on('socket', (socket) => {
        const begin = () => {
          this.does = 'it sends lines';
          const last = this.lines.length + BODY;
          timer = setInterval(() => {
            for (let n = 0; n < RATE / 50 && this.lines.length < last; n += 1) {
              const line = `n${this.lines.length}`;
              this.lines.push(line);
              sending.write(`${JSON.stringify(line)}\n`);
            }
            if (this.lines.length >= last) {
              clearInterval(timer);
              sending.end();
              this.does = 'it waits for an answer';
            }
          }, 20);
        };
        if (socket.connecting) socket.once('connect', begin);
        else begin();
      });
    });
  }
}
