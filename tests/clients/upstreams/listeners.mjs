// Clients of several wires that follow the answers in one channel, each over a relay of its own, which a test can cut.
import assert from 'node:assert/strict';
import { AnswerLog } from '../answers.mjs';
import { clientsNamed } from '../readers/clients.mjs';
import { startRelay } from '../relay.mjs';
import { until } from '../wait.mjs';

/** Three wires without a browser. */
export const PLAIN = ['npm eventsource', 'curl, chunked', 'npm ws'];

/** Opens the clients with these `names` in `channel`; the test closes them at its end. */
export async function listen(t, gateway, channel, names, { browser, since = 'compact' } = {}) {
  const clients = clientsNamed(...names);
  for (const client of clients) {
    client.log = new AnswerLog();
    client.relay = await startRelay(gateway.url);
    t.after(() => client.relay.close());
    const url = `${client.relay.url}/${client.path}/${channel}?since=${since}`;
    client.reader = await client.open(url, client.log, browser);
    t.after(() => client.reader.close());
  }
  await until(
    () => clients.every(({ log }) => log.hellos.length),
    () => `hellos: ${clients.map(({ name, log }) => `${name} ${log.hellos.length}`)}`,
    { timeout: 60_000 },
  );
  return {
    clients,
    cut() {
      for (const { name, relay } of clients) assert.ok(relay.cut(), `${name} is open`);
    },
    async close() {
      for (const { reader } of clients) await reader.close();
    },
    /** Waits until every client has the answer of `run` as `wanted` says. */
    all: (run, wanted, what) =>
      until(
        () => clients.every(({ log }) => log.get(run) && wanted(log.get(run))),
        () =>
          `${what}: ${clients.map(({ name, log }) => `${name}: ${JSON.stringify(log.get(run))}`).join('\n')}`,
        { timeout: 60_000 },
      ),
    /** Every client has the same of `run`, and has seen nothing wrong; returns what that is. */
    agreed(run) {
      const [first, ...others] = clients.map(({ log }) => log.get(run));
      for (const { name, log } of clients) assert.deepEqual(log.problems, [], name);
      for (const other of others) assert.deepEqual(other.end, first.end);
      for (const [n, other] of others.entries())
        assert.equal(other.text, first.text, clients[n + 1].name);
      return first;
    },
  };
}
