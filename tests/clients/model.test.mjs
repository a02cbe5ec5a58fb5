// A real model behind the gateway: llama.cpp's server. Its own log and its time on the processor say that a stop has stopped it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { startGateway } from './gateway.mjs';
import { listen, PLAIN } from './upstreams/listeners.mjs';
import { startModel } from './upstreams/model.mjs';
import { ask, cancel, report, settingsFor } from './upstreams/settings.mjs';
import { until } from './wait.mjs';

/** An answer without an end: it has to be stopped. */
const ENDLESS = { ignore_eos: true, max_tokens: 1900 };

let gateway, model;
before(async () => {
  model = await startModel();
  const models = [{ name: 'small', model: model.model }];
  const settings = settingsFor({ url: model.url, models }, { relay: { orphan: '1s' } });
  gateway = await startGateway(settings);
});
after(async () => {
  await gateway?.stop();
  await model?.close();
});

/** How a run can have ended. */
const OVER = ['complete', 'cancelled', 'error'];
const ended = ({ status }) => status !== 'open';

/** Waits until the model has not been on a processor for half a second. */
async function standstill() {
  let last = model.ticks();
  await until(
    () => {
      const before = last;
      last = model.ticks();
      return last - before <= 1;
    },
    () => `the model to stand still; its log: ${model.log().slice(-1000)}`,
    { timeout: 20_000, every: 500 },
  );
}

test('an answer is the same on three wires and at an SDK, with the usage that the model counts', {
  timeout: 120_000,
}, async (t) => {
  const listeners = await listen(t, gateway, 'colours', PLAIN);
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });
  const messages = [{ role: 'user', content: 'Name three colours.' }];
  const options = {
    max_tokens: 24,
    temperature: 0,
    seed: 1,
    stream_options: { include_usage: true },
  };
  const stream = await client.chat.completions.create(
    { model: 'small', messages, stream: true, ...options },
    { headers: { 'Tricast-Channel': 'colours' } },
  );
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const [{ id: run }] = chunks;
  await listeners.all(run, ended, 'the end');
  const { text, status, end, deltas } = listeners.agreed(run);
  assert.equal(status, 'complete', JSON.stringify(end));
  assert.ok(text.length > 20 && deltas > 5, `${deltas} deltas: ${text}`);
  const { completion_tokens, total_tokens, estimated } = end.usage;
  assert.deepEqual([completion_tokens <= 24, estimated], [true, undefined]);
  assert.ok(total_tokens > completion_tokens);
  const atSdk = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
  assert.deepEqual([atSdk, chunks.at(-1).usage], [text, end.usage]);
  t.diagnostic(`${deltas} deltas: ${JSON.stringify(text)}`);
});

test('a stop stops the model', { timeout: 120_000 }, async (t) => {
  const listeners = await listen(t, gateway, 'stopped', PLAIN);
  const { run } = await ask(gateway, 'stopped', 'Tell me a long story.', ENDLESS);
  await listeners.all(run, ({ deltas }) => deltas > 10, 'ten tokens');
  const before = model.log().split('cancel task').length;
  await cancel(gateway, run);
  await listeners.all(run, ended, 'the end');
  assert.equal(listeners.agreed(run).status, 'cancelled');
  await until(() => model.log().split('cancel task').length > before, 'its log to say so');
  await standstill();
});

test('a model that nobody listens to is stopped, and one that has a listener left is not', {
  timeout: 120_000,
}, async (t) => {
  const first = await listen(t, gateway, 'left', ['npm ws']);
  const second = await listen(t, gateway, 'left', ['npm eventsource']);
  const { run } = await ask(gateway, 'left', 'Tell me a long story.', ENDLESS);
  await second.all(run, ({ deltas }) => deltas > 5, 'five tokens');
  await first.close();
  const { deltas } = second.clients[0].log.get(run);
  // Longer than `orphan`: a token takes about 20 ms on one thread.
  await second.all(run, (answer) => answer.deltas > deltas + 120, 'more tokens');
  assert.ok(!OVER.includes((await report(gateway, run)).status));
  await second.close();
  await until(async () => OVER.includes((await report(gateway, run)).status), 'the end', {
    timeout: 30_000,
  });
  const { status, by } = await report(gateway, run);
  assert.deepEqual([status, by], ['cancelled', 'orphan']);
  await standstill();
});
