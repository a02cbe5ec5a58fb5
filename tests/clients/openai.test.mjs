// OpenAI's SDKs and LangChain ask through the gateway, unmodified: a whole answer is whole, and no cut of the upstream ever looks
// like an end.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, start } from './child.mjs';
import { repository, startGateway } from './gateway.mjs';
import { chatClients } from './readers/chat.mjs';
import { python } from './readers/programs.mjs';
import { fences } from './snippets/fences.mjs';
import { startAimock } from './upstreams/aimock.mjs';
import { listen, PLAIN } from './upstreams/listeners.mjs';
import { startScripted } from './upstreams/scripted.mjs';
import { settingsFor } from './upstreams/settings.mjs';
import { until } from './wait.mjs';

const CONTENT = 'Grüße aus 東京! 👋 That is all.';
const CHUNK = 4;
const options = { chunkSize: CHUNK, latency: 2 };
/** The role, the text and the finish. aimock cuts in place of a chunk, and not behind these. */
const CHUNKS = 1 + Math.ceil(CONTENT.length / CHUNK) + 1;
const places = Array.from({ length: CHUNKS }, (_, n) => n + 1);

let gateway, aimock;
before(async () => {
  const cut = (chunk) => [
    `cut ${chunk}.`,
    { content: CONTENT },
    { ...options, truncateAfterChunks: chunk },
  ];
  aimock = await startAimock([['whole', { content: CONTENT }, options], ...places.map(cut)]);
  const upstream = { retries: 0, open_after: 0 };
  gateway = await startGateway({
    ...settingsFor(
      { url: aimock.url, models: ['gpt-4o'] },
      { upstream, relay: { runs_per_user: '0' } },
    ),
  });
});
after(async () => {
  await gateway?.stop();
  await aimock?.close();
});

for (const [name, ask] of Object.entries(chatClients)) {
  test(`${name}: a whole answer, and an error for each cut`, { timeout: 120_000 }, async () => {
    const questions = places.map((place) => `cut ${place}.`);
    const [whole, ...cuts] = await ask(`${gateway.url}/v1`, ['whole', ...questions]);
    assert.deepEqual(whole, { text: CONTENT, error: null });
    assert.equal(cuts.length, CHUNKS);
    for (const [n, { text, error }] of cuts.entries()) {
      assert.ok(error, `cut at chunk ${n + 1}: ${JSON.stringify(text)} looks like an end`);
      assert.ok(CONTENT.startsWith(text));
    }
    assert.ok(cuts.at(-1).text.length > CONTENT.length / 2, 'what was there before is there');
  });
}

/** A gateway before an upstream that the test steers. */
async function startSteered(t, settings = {}) {
  const upstream = await startScripted(['gpt-4o']);
  t.after(() => upstream.close());
  const steered = await startGateway({ ...settingsFor(upstream), ...settings });
  t.after(() => steered.stop());
  return { upstream, gateway: steered };
}
const chat = (question, more) =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: question }], ...more });
const json = { 'Content-Type': 'application/json' };
/** The text in the chunks of a stream, with the ids of its events. */
function chunksOf(stream) {
  const events = stream.split('\n\n').filter((event) => /^data: \{/m.test(event));
  return events.map((event) => ({
    id: event.match(/^id: (.*)$/m)?.[1],
    chunk: JSON.parse(event.match(/^data: (.*)$/m)[1]),
  }));
}
const textIn = (chunks) =>
  chunks.map(({ chunk }) => chunk.choices[0]?.delta.content ?? '').join('');

test('three wires and a stream of chunks have the same answer at the same time', {
  timeout: 120_000,
}, async (t) => {
  const { gateway, upstream } = await startSteered(t, { 'relay.busy': 'parallel' });
  const listeners = await listen(t, gateway, 'together', PLAIN);
  const url = `${gateway.url}/v1`;
  const headers = { ...json, 'Tricast-Channel': 'together' };
  const asked = fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers,
    body: chat('together', { stream: true }),
  });
  const call = await upstream.call(0);
  const pieces = ['né', ' 日本', ' 🎉', '\n\ndata: x'];
  for (const piece of pieces) await call.say(piece);
  await call.finish();
  const response = await asked;
  const body = await response.text();
  assert.match(body, /data: \[DONE\]\n\n$/);
  const chunks = chunksOf(body);
  const id = response.headers.get('Tricast-Run');
  assert.equal(chunks[0].chunk.id, id);
  await listeners.all(id, ({ status }) => status === 'complete', 'the end');
  assert.deepEqual([textIn(chunks), listeners.agreed(id).text], [pieces.join(''), pieces.join('')]);

  // As one document, and again by its id.
  const whole = fetch(`${url}/chat/completions`, { method: 'POST', headers, body: chat('whole') });
  const second = await upstream.call(1);
  await second.say('all at once');
  await second.finish('stop', { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 });
  const document = await (await whole).json();
  assert.equal(document.object, 'chat.completion');
  assert.equal(document.choices[0].message.content, 'all at once');
  assert.equal(document.usage.total_tokens, 3);
  const again = await (await fetch(`${url}/chat/completions/${id}`)).json();
  assert.equal(again.choices[0].message.content, pieces.join(''));
});

test('a stream that was cut goes on behind its last id, and ends once', {
  timeout: 120_000,
}, async (t) => {
  const { gateway, upstream } = await startSteered(t);
  const headers = { ...json, 'Tricast-Channel': 'resumed' };
  const url = `${gateway.url}/v1/chat/completions`;
  const abort = new AbortController();
  const { signal } = abort;
  const body = chat('resumed', { stream: true });
  const asked = fetch(url, { method: 'POST', headers, body, signal });
  const call = await upstream.call(0);
  for (let n = 0; n < 5; n += 1) await call.say(`word ${n} `);
  const response = await asked;
  const id = response.headers.get('Tricast-Run');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let first = '';
  while (!first.includes('word 4')) first += (await reader.read()).value;
  abort.abort();
  for (let n = 5; n < 10; n += 1) await call.say(`word ${n} `);
  await call.finish();
  const before = chunksOf(first.slice(0, first.lastIndexOf('\n\n') + 2));
  const last = before.at(-1).id;
  const resume = { headers: { 'Last-Event-ID': last } };
  const rest = await (await fetch(`${url}/${id}?stream=true`, resume)).text();
  assert.match(rest, /data: \[DONE\]\n\n$/);
  assert.equal(textIn(before) + textIn(chunksOf(rest)), call.content);
});

test('heartbeats come before the first token and behind ids, and disturb no SDK', {
  timeout: 120_000,
}, async (t) => {
  const { gateway, upstream } = await startSteered(t, {
    'stream.heartbeat': '1s',
    'relay.busy': 'parallel',
    'relay.head_wait': '500ms',
  });
  const asked = Object.values(chatClients).map((ask) => ask(`${gateway.url}/v1`, ['slow']));
  const calls = [];
  for (let n = 0; n < asked.length; n += 1) calls.push(await upstream.call(n));
  const body = chat('slow', { stream: true });
  const rawly = fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: json,
    body,
  });
  calls.push(await upstream.call(asked.length));
  const reader = (await rawly).body.pipeThrough(new TextDecoderStream()).getReader();
  let seen = '\n';
  /** Reads on until there were so many more; who began earlier has then had as many. */
  const heartbeats = async (count) => {
    const heard = () => seen.split('\n:').length;
    const wanted = heard() + count;
    while (heard() < wanted) seen += (await reader.read()).value;
  };
  await heartbeats(2);
  assert.doesNotMatch(seen, /data/);
  for (const call of calls) await call.say('before ');
  await heartbeats(3);
  assert.match(seen, /before .*\nid: /);
  assert.doesNotMatch(seen, /^(event|retry):/m);
  for (const call of calls) {
    await call.say('and after');
    await call.finish();
  }
  for (const [answer] of await Promise.all(asked))
    assert.deepEqual(answer, { text: 'before and after', error: null });
});

test('examples: the SDKs print the answer, and an answer that breaks off is a failure', {
  timeout: 120_000,
}, async (t) => {
  const { gateway, upstream } = await startSteered(t);
  const listeners = await listen(t, gateway, 'examples', PLAIN);
  // In here the packages of the tests are found.
  const folder = await mkdtemp(new URL('examples-', import.meta.url).pathname);
  t.after(() => rm(folder, { recursive: true }));
  const source = `${repository}examples/`;
  await copyFile(`${source}llm.mjs`, join(folder, 'llm.mjs'));
  const env = { TRICAST_URL: gateway.url };
  const programs = {
    'llm.mjs': [process.execPath, [join(folder, 'llm.mjs')]],
    'llm.py': [python, [`${source}llm.py`]],
    'llm.sh': [`${source}llm.sh`, []],
  };
  for (const [name, [program, args]] of Object.entries(programs)) {
    for (const breaks of [false, true]) {
      const next = upstream.calls.length;
      const child = start(program, [...args, 'a question', 'examples'], { env });
      const call = await upstream.call(next);
      assert.equal(call.body.messages[0].content, 'a question');
      await call.say('so far, ');
      await until(() => child.output.includes('so far, '), `${name} to print what has come`);
      if (breaks) call.cut();
      else {
        await call.say('and all.');
        await call.finish();
      }
      const code = await child.exited;
      assert.equal(code === 0, !breaks, `${name}: ${code} ${child.errors}`);
      if (!breaks) assert.equal(child.output.trim(), 'so far, and all.', name);
      else assert.equal(child.errors.trim().split('\n').length, 1, child.errors);
    }
  }
  const [{ log }] = listeners.clients;
  const statuses = () => [...log.runs.values()].map(({ status }) => status);
  await until(() => !statuses().includes('open'), 'the last end');
  assert.deepEqual(statuses(), ['complete', 'error', 'complete', 'error', 'complete', 'error']);
  for (const [name, [program, args]] of Object.entries(programs)) {
    const away = await run(program, [...args, 'x'], { env: { TRICAST_URL: 'http://127.0.0.1:9' } });
    assert.notEqual(away.code, 0, name);
    assert.equal(away.errors.trim().split('\n').length, 1, away.errors);
  }
});

test('docs/llm.md: the program for the SDK prints the answer', { timeout: 60_000 }, async (t) => {
  const demo = { LLM: '[{ name = "demo", url = "demo:" }]', 'access.prompt': 'auto' };
  const gateway = await startGateway(demo);
  t.after(() => gateway.stop());
  const folder = await mkdtemp(new URL('examples-', import.meta.url).pathname);
  t.after(() => rm(folder, { recursive: true }));
  const [{ file, text }] = fences(join(repository, 'docs/llm.md')).filter(({ file }) => file);
  const path = join(folder, file);
  await writeFile(path, text.replaceAll('127.0.0.1:8080', new URL(gateway.url).host));
  const { code, output, errors } = await run(process.execPath, [path]);
  assert.equal(code, 0, errors);
  assert.match(output, /^This answer comes from the gateway itself/);
});
