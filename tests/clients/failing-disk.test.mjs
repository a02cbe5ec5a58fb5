// The program on a disk that fails: strace gives its calls of the disk an error in place of their work. What was acknowledged is there
// after the next start, each once, whatever the disk did.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from './gateway.mjs';
import { until } from './wait.mjs';

/** Runs a program whose calls fail. It is this test's child; strace is not. */
const inject = (call, error) => {
  const options = ['-f', '-D', '-qq', '-o', '/dev/null', '-e', `trace=${call}`];
  return ['strace', ...options, '-e', `inject=${call}:error=${error}`];
};

/** Publishes `data` with an id; resolves with the status and the name of the problem. */
async function post(url, data) {
  const answer = await fetch(`${url}/publish/a?id=${data}`, { method: 'POST', body: data });
  await answer.text();
  return { status: answer.status, problem: answer.headers.get('tricast-problem') };
}

/** Publishes until one is refused; returns what was acknowledged, and the refusal. */
async function publishUntilRefused(url, from = 0) {
  const acknowledged = [];
  for (let n = from; n < from + 5000; n += 1) {
    const answer = await post(url, `m${n}`);
    if (answer.status !== 200) return { acknowledged, refused: `m${n}`, answer };
    acknowledged.push(`m${n}`);
  }
  throw new Error('the disk does not fail');
}

async function held(url) {
  const all = [];
  for (let query = 'since=earliest'; ; ) {
    const page = await (await fetch(`${url}/history/a?${query}`)).json();
    all.push(...page.messages.map(({ data }) => data));
    if (!page.more) return all;
    query = `last_event_id=${page.id}`;
  }
}

const settings = async (t, fsync) => {
  const path = await mkdtemp(join(tmpdir(), 'failing-'));
  t.after(() => rm(path, { recursive: true }));
  return { 'log.path': path, 'log.fsync': fsync, 'shutdown.grace': '1s', 'history.messages': '5' };
};
const ready = async (gateway) => (await fetch(`${gateway.admin}/readyz`)).status === 200;

for (const fsync of ['always', '100ms'])
  test(`after a sync that failed nothing is acknowledged, and nothing that was is lost (${fsync})`, {
    timeout: 120_000,
  }, async (t) => {
    const all = await settings(t, fsync);
    const when = fsync === 'always' ? '60+' : '8+';
    const gateway = await startGateway(all, { under: inject('fdatasync', `EIO:when=${when}`) });
    const { acknowledged, refused, answer } = await publishUntilRefused(gateway.url);
    assert.equal(answer.status, 503);
    assert.ok(['outcome-unknown', 'unavailable'].includes(answer.problem), answer.problem);
    assert.ok(acknowledged.length > 0);
    assert.deepEqual(await post(gateway.url, 'late'), { status: 503, problem: 'unavailable' });
    assert.equal(await ready(gateway), false);
    assert.notEqual(await gateway.ended(), 0, 'it ends, so that it is started again');

    const next = await startGateway(all);
    t.after(() => next.stop());
    const before = await held(next.url);
    assert.deepEqual(
      before.filter((data) => data !== refused),
      acknowledged,
    );
    assert.equal((await post(next.url, refused)).status, 200);
    assert.equal((await held(next.url)).filter((data) => data === refused).length, 1, 'once');
    t.diagnostic(`${acknowledged.length} acknowledged before ${answer.problem}`);
  });

test('a write without room is refused, and publishing goes on when there is room', {
  timeout: 120_000,
}, async (t) => {
  const all = await settings(t, '100ms');
  const gateway = await startGateway(all, { under: inject('pwrite64', 'ENOSPC:when=40..44') });
  t.after(() => gateway.kill());
  const { acknowledged, refused, answer } = await publishUntilRefused(gateway.url);
  assert.deepEqual(answer, { status: 503, problem: 'log-full' });
  const again = async () => {
    await sleep(50);
    return (await post(gateway.url, refused)).status === 200;
  };
  await until(again, 'room', { timeout: 30_000 });
  await until(() => ready(gateway), 'it to be ready', { timeout: 30_000 });
  assert.deepEqual(await held(gateway.url), [...acknowledged, refused]);
  await gateway.kill();
  const next = await startGateway(all);
  t.after(() => next.stop());
  assert.deepEqual(await held(next.url), [...acknowledged, refused]);
});
