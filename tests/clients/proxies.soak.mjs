// What takes time, or the machine for itself, behind the proxies: delays, three idle minutes (PROXY_IDLE seconds), a thousand streams (PROXY_CROWD).
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { proxies, versionsOf } from './proxies/all.mjs';
import { cadence } from './proxies/checks/cadence.mjs';
import { crowdOf } from './proxies/checks/crowd.mjs';
import { doctor } from './proxies/checks/doctor.mjs';
import { first } from './proxies/checks/first.mjs';
import { idleFor } from './proxies/checks/idle.mjs';
import { restFor } from './proxies/checks/lines.mjs';
import { knownOf } from './proxies/known.mjs';
import { Matrix } from './proxies/matrix.mjs';
import { startStand } from './proxies/stand.mjs';
import { writeTables } from './proxies/table.mjs';
import { oversOf, waysOf } from './proxies/ways.mjs';

// Less than two heartbeats would tell nothing.
const seconds = Math.max(30, Number(process.env.PROXY_IDLE ?? 180));
const count = Number(process.env.PROXY_CROWD ?? 1000);
const columns = {
  streams: ['first', 'cadence', 'idle'],
  crowds: ['crowd'],
  requests: ['rest', 'doctor'],
};
const matrix = new Matrix({ patience: seconds });
// What is refused, or comes at the end, needs no time to be told: proxies.test.mjs tells it.
const carried = (stand) => waysOf(stand).filter((way) => !knownOf(stand, 'hello', way));
const streamed = (stand) => oversOf(stand).filter((over) => !knownOf(stand, 'lines', over));
const each = proxies.flatMap((proxy) => ['ours', 'bare'].map((which) => [proxy, which]));

for (const [proxy, which] of each) {
  test(`${proxy.name}, ${which}: delays`, { timeout: 120_000 }, (t) =>
    staged(t, proxy, which, {}, async (stand) => {
      // One after the other: here it is the time that counts.
      for (const way of carried(stand)) await matrix.run(stand, { first }, [way]);
      for (const over of oversOf(stand)) await matrix.run(stand, { doctor }, [over]);
      for (const over of new Set(carried(stand).map((way) => way.over)))
        await matrix.run(
          stand,
          { cadence },
          carried(stand).filter((way) => way.over === over),
        );
    }),
  );
}

for (const proxy of proxies) {
  for (const wire of ['sse', 'chunked', 'ws']) {
    // Each with a proxy of its own: some keep a thread for a client that has left, until a heartbeat tells them.
    test(`${proxy.name}, ours: ${count} streams by ${wire}`, { timeout: 120_000 }, (t) =>
      staged(t, proxy, 'ours', {}, (stand) =>
        matrix.run(
          stand,
          { crowd: crowdOf(count) },
          waysOf(stand).filter((way) => way.over === 'HTTP/1.1' && way.path === wire),
        ),
      ),
    );
  }
}

test(`${seconds} s without a message`, { timeout: 1000 * seconds + 120_000 }, async (t) => {
  await Promise.all(
    each.map(([proxy, which]) =>
      staged(
        t,
        proxy,
        which,
        {},
        (stand) =>
          Promise.all([
            matrix.run(stand, { idle: idleFor(seconds) }, carried(stand)),
            matrix.run(stand, { rest: restFor(seconds) }, streamed(stand)),
          ]),
        false,
      ),
    ),
  );
  assert.deepEqual(
    each.flatMap(([proxy, which]) => matrix.surprises({ proxy, which }, ['idle', 'rest'])),
    [],
  );
});

after(async () =>
  writeTables('proxies-soak', {
    results: matrix.results,
    columns,
    versions: await versionsOf(),
    about,
  }),
);

/** Starts a stand for `work`, and says what was not as expected. */
async function staged(_t, proxy, which, settings, work, judge = true) {
  const stand = await startStand(proxy, which, { 'shutdown.grace': '1s', ...settings });
  try {
    await work(stand);
  } finally {
    await stand.close();
  }
  if (judge) assert.deepEqual(matrix.surprises(stand, ['first', 'cadence', 'crowd', 'doctor']), []);
}

const about = `# Tricast behind proxies: delays, patience, numbers

| check | asks |
|---|---|
| first | how much later than straight from the gateway does the hello come (medians)? "late" from 50 ms on |
| cadence | of messages each 100 ms, how late is the median? "held back" above 50 ms |
| idle | does a stream survive ${seconds} s without a message, by heartbeats each 15 s? |
| crowd | do ${count} streams at once each get hello and a message, and in what time the message? |
| doctor | does \`tricast doctor\` find what is wrong, and nothing else? |
| rest | may a body of JSON lines rest for ${seconds} s? |`;
