// A gateway that is killed in the middle of an answer, with its log on disk: the text so far is kept, and the next one says that the
// answer is lost.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startGateway } from './gateway.mjs';
import { freePort } from './port.mjs';
import { listen } from './upstreams/listeners.mjs';
import { startScripted } from './upstreams/scripted.mjs';
import { ask, settingsFor } from './upstreams/settings.mjs';

test('an answer whose gateway is killed ends as lost, with its text', {
  timeout: 120_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tricast-lost-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const upstream = await startScripted();
  t.after(() => upstream.close());
  const settings = {
    bind: `127.0.0.1:${await freePort()}`,
    'stream.retry': '200ms',
    'log.path': join(folder, 'log'),
    ...settingsFor(upstream, {}),
  };
  let gateway = await startGateway(settings);
  t.after(() => gateway.stop());
  const listeners = await listen(t, gateway, 'lost', ['npm eventsource', 'npm ws', 'httpx-sse']);
  const { run } = await ask(gateway, 'lost', 'a long question');
  const call = await upstream.call(0);
  for (let n = 0; n < 50; n += 1) await call.say(`word ${n} `);
  await listeners.all(run, ({ text }) => text === call.content, 'the text so far');
  await gateway.kill();
  gateway = await startGateway(settings);
  await listeners.all(run, ({ status }) => status !== 'open', 'the end');
  const { text, status, end } = listeners.agreed(run);
  assert.deepEqual([status, end.error.type, end.error.retryable], ['error', 'lost', true]);
  assert.equal(text, call.content);
  // Nothing is open at the start after that.
  await gateway.kill();
  gateway = await startGateway(settings);
  const events = (await gateway.history('lost')).map(({ event }) => event);
  assert.deepEqual(events, ['tricast.llm.start', 'tricast.llm.end']);
});
