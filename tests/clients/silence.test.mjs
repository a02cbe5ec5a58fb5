// Silence, which most readers see most of the time: libraries that make an event of every blank line see none that is empty, and
// each of them takes over the cursor.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { Ledger, seq } from './ledger.mjs';
import { clientsNamed } from './readers/clients.mjs';
import { startRelay } from './relay.mjs';
import { until } from './wait.mjs';

const clients = clientsNamed(
  'httpx-sse',
  'openai for Python',
  'fetch-event-source',
  'r3labs/sse for Go',
  'tmaxmax/go-sse for Go',
  'npm eventsource',
  'Chromium EventSource',
);

/** The bytes of the short heartbeat in its chunk, and how many of them are several. */
const SHORT = '2\r\n:\n\r\n'.length;
const SEVERAL = 5;
/** Messages that a channel holds. */
const HELD = 3;

let browser, gateway;
before(async () => {
  gateway = await startGateway({
    'stream.retry': '300ms',
    'stream.heartbeat': '200ms',
    'history.messages': `${HELD}`,
  });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
});

for (const [number, { name, open }] of clients.entries()) {
  test(`${name} is silent while its channel is, and comes back from the silence without a hole or a double`, {
    timeout: 60_000,
  }, async (t) => {
    const ledger = new Ledger(name);
    const relay = await startRelay(gateway.url);
    const [channel, client] = [`quiet.${number}`, `a-client-of-number-${number}`];
    const url = `${relay.url}/sse/${channel}?client=${client}`;
    const reader = await open(url, ledger, browser);
    t.after(async () => {
      await reader.close();
      await relay.close();
    });
    const has = (count, what) =>
      until(
        () => ledger.problems.length || ledger[what].length >= count,
        `${count} ${what} on ${name}`,
      );
    await has(1, 'hellos');
    await gateway.publish(channel, 1);
    await has(1, 'messages');

    // Nothing happens anywhere.
    const carried = relay.carried('sse');
    await until(
      () => ledger.problems.length || relay.carried('sse') >= carried + SEVERAL * SHORT,
      'several heartbeats',
    );
    assert.deepEqual(ledger.problems, []);
    assert.deepEqual(ledger.alive, [], 'the cursor has not moved');

    // Others are busy, and what the channel has is hidden from this client: it holds nothing any more that came before.
    let last;
    for (let i = 0; i < 2 * HELD; i += 1) {
      const told = ledger.alive.length;
      await gateway.publish('busy', i);
      last = (await gateway.publish(channel, 'its own', `?client=${client}&skip_self=true`)).id;
      if (i % 2) await has(told + 1, 'alive');
    }
    await until(
      () => ledger.problems.length || ledger.alive.at(-1)?.id === last,
      () => `the cursor ${last}, not ${ledger.alive.at(-1)?.id}`,
    );
    relay.cut();
    await gateway.publish(channel, 2);
    await has(2, 'hellos');
    await gateway.publish(channel, 3);
    await has(3, 'messages');

    assert.deepEqual(ledger.problems, []);
    assert.deepEqual(ledger.control, [], 'no gap, no goodbye');
    assert.deepEqual(ledger.data, [1, 2, 3]);
    const [, again] = ledger.hellos;
    assert.deepEqual(
      [again.recovered, again.id],
      [true, last],
      'it goes on where the silence had come to',
    );
    assert.ok(
      ledger.alive.every(({ id }, i) => i === 0 || seq(id) > seq(ledger.alive[i - 1].id)),
      'each tells something new',
    );
  });
}
