// Answers of models at real clients: the same text at each of them, over cuts in mid-answer; a stop that stops the upstream; an end
// that is true. The test steers the upstream, so nothing here waits for time.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { listen, PLAIN } from './upstreams/listeners.mjs';
import { startScripted } from './upstreams/scripted.mjs';
import { ask, cancel, report, settingsFor } from './upstreams/settings.mjs';
import { until } from './wait.mjs';

/** Pieces that an encoder, a framing or a fold could trip over. */
const awkward = [
  'Hel',
  'lo ',
  '',
  'wörld\n\n',
  'data: [DONE]\n\n',
  '"quoted\\ ',
  '日本',
  '語 👨‍👩‍👧 ',
  '\u2028\u0085\u0000',
  '\ud83c',
  '\udf89',
  ' end',
];

let browser, gateway, upstream;
before(async () => {
  upstream = await startScripted();
  gateway = await startGateway({
    'stream.retry': '200ms',
    ...settingsFor(upstream, { relay: { orphan: '1s' } }),
    NAMESPACE: '[{ pattern = "kept.*", orphan = "1m" }]',
  });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
  await upstream?.close();
});

/** Asks in `channel`; resolves to the run and to its call at the upstream. */
async function question(channel, more) {
  const next = upstream.calls.length;
  const { run } = await ask(gateway, channel, `a question in ${channel}`, more);
  return { run, call: await upstream.call(next) };
}
const ended = ({ status }) => status !== 'open';

test('an answer is the same text at every client, over cuts in its middle', {
  timeout: 300_000,
}, async (t) => {
  const names = ['curl, SSE', 'curl, chunked', 'npm eventsource', 'npm ws', 'httpx-sse'];
  const inBrowser = ['EventSource', 'fetch', 'XHR', 'WebSocket'].map((name) => `Chromium ${name}`);
  const listeners = await listen(t, gateway, 'many', [...names, ...inBrowser], { browser });
  const { run, call } = await question('many', { temperature: 0.5, made_up: [1.1] });
  const { stream, stream_options, temperature, made_up, messages } = call.body;
  assert.deepEqual([stream, stream_options.include_usage], [true, true]);
  assert.deepEqual([temperature, made_up], [0.5, [1.1]]);
  assert.deepEqual(messages, [{ role: 'user', content: 'a question in many' }]);

  for (const [n, piece] of awkward.entries()) {
    await call.say(piece);
    if (n % 4 !== 3) continue;
    // Everybody is back from the cut before.
    await listeners.all(run, ({ text }) => text === call.content, 'the text so far');
    listeners.cut();
  }
  await call.finish('stop', { prompt_tokens: 5, completion_tokens: 12, total_tokens: 17 });
  await listeners.all(run, ended, 'the end');
  const { text, status, end } = listeners.agreed(run);
  assert.equal(text, awkward.join(''));
  assert.equal(status, 'complete');
  assert.deepEqual(end.usage, { prompt_tokens: 5, completion_tokens: 12, total_tokens: 17 });
  assert.equal((await report(gateway, run)).status, 'complete');
});

describe('what the upstream sends', () => {
  const event = (text, finish = null) =>
    JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: finish }] });
  const whole = `data: ${event('né日🎉')}\n\ndata: ${event(' ok', 'stop')}\n\ndata: [DONE]\n\n`;
  const one = (text) => async (call) => {
    await call.raw(text);
    call.end();
  };
  /** Each is the way in which the same answer comes. */
  const ways = {
    'byte by byte': async (call) => {
      for (const byte of Buffer.from(whole)) await call.raw(Buffer.from([byte]));
      call.end();
    },
    'with CRLF': one(whole.replaceAll('\n', '\r\n')),
    'with CR': one(whole.replaceAll('\n', '\r')),
    'without a space': one(whole.replaceAll('data: ', 'data:')),
    'with comments and ids': one(whole.replaceAll('data: {', ': ping\n\nid: 1\ndata: {')),
    'without [DONE]': one(whole.replace('data: [DONE]\n\n', '')),
    'with [DONE] and an open body': (call) => call.raw(whole),
    'cut behind the finish': async (call) => {
      await call.raw(whole.replace('data: [DONE]\n\n', ''));
      call.drop();
    },
    'as one document': (call) => {
      call.head(200, { 'Content-Type': 'application/json' });
      const message = { role: 'assistant', content: 'né日🎉 ok' };
      call.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
    },
  };
  for (const [way, send] of Object.entries(ways)) {
    test(`complete: ${way}`, { timeout: 120_000 }, async (t) => {
      const channel = `way-${way.replaceAll(/[^a-z]+/gi, '-')}`.replace(/-$/, '');
      const listeners = await listen(t, gateway, channel, PLAIN);
      const { run, call } = await question(channel);
      await send(call);
      await listeners.all(run, ended, 'the end');
      const { text, status } = listeners.agreed(run);
      assert.deepEqual([text, status], ['né日🎉 ok', 'complete']);
      await until(() => !call.open, 'the request to end');
    });
  }

  /** Each is a way to stop in the middle; none of them is an end. */
  const breaks = {
    'a clean end of the body': (call) => call.end(),
    '[DONE] without a finish': one('data: [DONE]\n\n'),
    'a reset': (call) => call.cut(),
    'a body without its last chunk': (call) => call.drop(),
    'an error event': one('data: {"error":{"message":"overloaded","code":529}}\n\n'),
    'plain JSON behind the last event': one('{"error":{"message":"overloaded"}}'),
    'nonsense': one('data: {nonsense\n\n'),
    'a finish by error': one(`data: ${event('', 'error')}\n\n`),
    'half a character': one(Buffer.from([...Buffer.from('data: {"choices":"'), 0xf0, 0x9f])),
  };
  for (const [what, stop] of Object.entries(breaks)) {
    test(`not complete: ${what}`, { timeout: 120_000 }, async (t) => {
      const channel = `break-${what.replaceAll(/[^a-z]+/gi, '-')}`.replace(/-$/, '');
      const listeners = await listen(t, gateway, channel, PLAIN);
      const { run, call } = await question(channel);
      await call.say('so far');
      await listeners.all(run, ({ text }) => text === 'so far', 'the text so far');
      await stop(call);
      await listeners.all(run, ended, 'the end');
      const { text, status, end } = listeners.agreed(run);
      assert.deepEqual([text, status], ['so far', 'error']);
      assert.ok(end.error.type && end.error.message, JSON.stringify(end));
      await until(() => !call.open, 'the request to end');
    });
  }
});

test('a stop closes the connection to the upstream, and every client hears of it', {
  timeout: 120_000,
}, async (t) => {
  const listeners = await listen(t, gateway, 'stopped', PLAIN);
  const { run, call } = await question('stopped');
  await call.say('so far');
  await listeners.all(run, ({ text }) => text === 'so far', 'the text so far');
  assert.ok(call.open);
  await cancel(gateway, run);
  await until(() => !call.open, 'the upstream to be left');
  await listeners.all(run, ended, 'the end');
  const { text, status, end } = listeners.agreed(run);
  assert.deepEqual([text, status], ['so far', 'cancelled']);
  // What was paid for is counted, also where the upstream has had no time to count it.
  assert.equal(end.usage.estimated, true);
  assert.ok(end.usage.completion_tokens > 0);
  assert.equal((await cancel(gateway, run)).status, 'cancelled', 'a second stop says the same');
});

test('a stop before the first token stops as well', { timeout: 120_000 }, async (t) => {
  const listeners = await listen(t, gateway, 'early', PLAIN);
  const { run, call } = await question('early');
  await cancel(gateway, run);
  await until(() => !call.open, 'the upstream to be left');
  await listeners.all(run, ended, 'the end');
  assert.equal(listeners.agreed(run).status, 'cancelled');
});

test('a run that nobody listens to ends by itself, and one that has a listener left does not', {
  timeout: 120_000,
}, async (t) => {
  const both = [
    await listen(t, gateway, 'left', ['npm ws']),
    await listen(t, gateway, 'left', ['npm eventsource']),
  ];
  const { run, call } = await question('left');
  await call.say('one ');
  for (const each of both) await each.all(run, ({ text }) => text === 'one ', 'the text so far');
  await both[0].close();
  // Another run of the same age, which nobody listens to, shows that the time of `orphan` has passed.
  const other = await question('lonely');
  await until(() => !other.call.open, 'the lonely run to be left', { timeout: 30_000 });
  const { status, by } = await report(gateway, other.run);
  assert.deepEqual([status, by], ['cancelled', 'orphan']);
  await call.say('two');
  await both[1].all(run, ({ text }) => text === 'one two', 'more text');
  await both[1].close();
  await until(() => !call.open, 'the upstream to be left', { timeout: 30_000 });
  const end = await report(gateway, run);
  assert.deepEqual([end.status, end.by], ['cancelled', 'orphan']);
});

test('who leaves before the first token finds the answer, and so does who comes after its end', {
  timeout: 120_000,
}, async (t) => {
  const gone = await listen(t, gateway, 'kept.left', PLAIN);
  const { run, call } = await question('kept.left');
  await gone.close();
  await call.say('while nobody ');
  const back = await listen(t, gateway, 'kept.left', PLAIN);
  await back.all(run, ({ text }) => text === 'while nobody ', 'the text so far');
  await back.close();
  await call.say('listened');
  await call.finish('stop', { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 });
  await until(async () => (await report(gateway, run)).status === 'complete', 'the end');
  const late = await listen(t, gateway, 'kept.left', PLAIN);
  await late.all(run, ended, 'the end');
  const { text, end } = late.agreed(run);
  assert.deepEqual([text, end.usage.total_tokens], ['while nobody listened', 3]);
});

test('of two prompts at once in a channel the second is refused, and names the run of the first', {
  timeout: 60_000,
}, async () => {
  const { run, call } = await question('kept.busy');
  await assert.rejects(ask(gateway, 'kept.busy', 'another'), (error) => {
    assert.match(error.message, /^409 .*run-active/);
    assert.ok(error.message.includes(run));
    return true;
  });
  await call.say('undisturbed');
  await call.finish();
  await until(async () => (await report(gateway, run)).status === 'complete', 'the end');
});

test('several runs in one channel, and several choices of one, are kept apart', {
  timeout: 120_000,
}, async (t) => {
  const parallel = await startGateway(settingsFor(upstream, { relay: { busy: 'parallel' } }));
  t.after(() => parallel.stop());
  const listeners = await listen(t, parallel, 'crowd', PLAIN);
  const next = upstream.calls.length;
  const { run: first } = await ask(parallel, 'crowd', 'one');
  const one = await upstream.call(next);
  const { run: second } = await ask(parallel, 'crowd', 'two', { n: 2 });
  const two = await upstream.call(next + 1);
  for (let n = 0; n < 20; n += 1) {
    await one.say(`a${n} `);
    await two.delta({ content: `b${n} ` }, 0);
    await two.delta({ content: `c${n} ` }, 1);
  }
  await one.finish();
  await two.chunk([{ index: 1, delta: {}, finish_reason: 'length' }]);
  await two.finish();
  for (const run of [first, second]) await listeners.all(run, ended, 'the end');
  const numbered = (letter) => Array.from({ length: 20 }, (_, n) => `${letter}${n} `).join('');
  assert.equal(listeners.agreed(first).text, numbered('a'));
  const { status, end } = listeners.agreed(second);
  assert.equal(status, 'complete');
  assert.deepEqual(
    end.choices.map(({ index, finish_reason, message }) => [index, finish_reason, message.content]),
    [
      [0, 'stop', numbered('b')],
      [1, 'length', numbered('c')],
    ],
  );
});

test('a late page is sent what is there of an answer, and not each piece of it', {
  timeout: 120_000,
}, async (t) => {
  const gone = await listen(t, gateway, 'kept.long', PLAIN);
  const { run, call } = await question('kept.long');
  for (let n = 0; n < 2000; n += 1) await call.say(`tökén ${n} "\n`);
  await gone.all(run, ({ text }) => text === call.content, 'the text so far');
  const late = await listen(t, gateway, 'kept.long', PLAIN);
  await late.all(run, ({ text }) => text === call.content, 'the text so far');
  const json = Buffer.byteLength(JSON.stringify(call.content));
  for (const { name, path, relay, log } of late.clients) {
    const { deltas, snapshots } = log.get(run);
    assert.deepEqual([deltas, snapshots], [0, 1], name);
    const carried = relay.carried(path);
    t.diagnostic(`${name}: ${carried} bytes for ${json} bytes of text as JSON`);
    assert.ok(carried <= 1.2 * json + 1024, `${name}: ${carried} bytes`);
  }
  await call.finish();
  await late.all(run, ended, 'the end');
  assert.equal(late.agreed(run).text, call.content);
  const after = await listen(t, gateway, 'kept.long', PLAIN);
  await after.all(run, ended, 'the end');
  for (const { relay, path } of after.clients)
    assert.ok(relay.carried(path) <= 1.2 * json + 1024, 'an ended answer costs as much');
});
