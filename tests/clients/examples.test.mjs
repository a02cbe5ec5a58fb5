// Every program in examples/ is run as its first lines say, and a real client hears what it sends.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, start, stop } from './child.mjs';
import { repository, startGateway, program as tricast } from './gateway.mjs';
import { Ledger, seq } from './ledger.mjs';
import { curlReader } from './readers/curl.mjs';
import { until } from './wait.mjs';

const example = (name) => `${repository}examples/${name}`;
let gateway, folder;
before(async () => {
  gateway = await startGateway();
  folder = await mkdtemp(join(tmpdir(), 'tricast-examples-'));
});
after(async () => {
  await gateway?.stop();
  if (folder) await rm(folder, { recursive: true });
});

/** curl on the chunked wire of `channel`, once it is attached. */
async function listen(t, channel) {
  const ledger = new Ledger(channel);
  const reader = curlReader(`${gateway.url}/chunked/${channel}`, ledger, {
    wire: 'chunked',
    resume: 'query',
  });
  t.after(() => reader.close());
  await until(() => ledger.hellos.length, `hello on ${channel}`);
  return ledger;
}

test('clock.sh: an EventSource hears a time event each second', { timeout: 30_000 }, async (t) => {
  const { EventSource } = await import('eventsource').catch(() => {
    throw new Error('npm packages are missing: run make setup');
  });
  const source = new EventSource(`${gateway.url}/sse/clock?format=raw`);
  t.after(() => source.close());
  const ticks = [];
  const other = [];
  source.addEventListener('time', (event) => ticks.push(event));
  source.addEventListener('message', (event) => other.push(event.data));
  await new Promise((open) => {
    source.onopen = open;
  });

  const clock = start(example('clock.sh'), [gateway.url], { detached: true });
  t.after(() => stop(clock));
  await until(() => ticks.length >= 3, 'three ticks');
  for (const { data } of ticks) assert.match(data, /^\d\d:\d\d:\d\d$/);
  assert.ok(seq(ticks[0].lastEventId) < seq(ticks[1].lastEventId));
  assert.deepEqual(other, [], 'a named event is no message event');
  const [first, , third] = await gateway.history('clock');
  assert.ok(
    third.time - first.time >= 1900 && third.time - first.time < 6000,
    `${third.time - first.time} ms for two seconds`,
  );
});

test('lines.sh: a text file arrives line by line and then ends', { timeout: 30_000 }, async () => {
  const text = [
    'first',
    '',
    '  indented "quoted" back\\slash',
    'naïve 🎉 %s $HOME',
    '@not-a-file',
    'no newline at the end',
  ];
  const file = join(folder, 'text.txt');
  await writeFile(file, text.join('\n'));
  const reader = start('curl', ['-sN', '--max-time', '20', `${gateway.url}/chunked/lines`]);
  await until(() => reader.output.includes('tricast.hello'), 'hello');
  const sent = await run(example('lines.sh'), [file, gateway.url]);
  assert.equal(sent.code, 0, sent.errors);
  assert.equal(await reader.exited, 0, 'the end of the channel ends curl, without an error');

  const documents = reader.output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    documents.filter(({ event }) => event === 'message').map(({ data }) => data),
    text,
  );
  assert.deepEqual(
    documents.slice(-2).map(({ event, end, reason }) => [event, end, reason]),
    [
      ['end', true, undefined],
      ['tricast.goodbye', undefined, 'ended'],
    ],
  );
});

test('hello-raw.sh: the characters and nothing else', { timeout: 30_000 }, async () => {
  const reader = start('curl', [
    '-sN',
    '--max-time',
    '20',
    `${gateway.url}/chunked/hello?format=raw`,
  ]);
  await until(
    async () => (await gateway.online('hello')).connections === 1,
    'the reader to be there',
  );
  const sent = await run(example('hello-raw.sh'), [gateway.url]);
  assert.equal(sent.code, 0, sent.errors);
  assert.equal(await reader.exited, 0);
  assert.equal(reader.output, 'H\ne\nl\nl\no\n \nW\no\nr\nl\nd\n');
});

test('send.mjs: to one, to all, to somebody who is not there', { timeout: 30_000 }, async () => {
  const { code, output, errors } = await run(process.execPath, [example('send.mjs'), gateway.url]);
  assert.equal(code, 0, errors);
  assert.equal(
    output,
    `to @alice: 1 subscriber
to the room: 2 subscribers
alice receives on @alice: for your eyes only
alice receives on room: hello everybody
bob receives on room: hello everybody
to @carol: 0 subscribers
to @carol with require_online: 404 urn:tricast:nobody-online
`,
  );
});

const backends = {
  'publish.py': ['python3', [example('publish.py')]],
  'publish.mjs': [process.execPath, [example('publish.mjs')]],
  'publish.go': ['go', ['run', example('publish.go')]],
};
for (const [name, [program, args]] of Object.entries(backends)) {
  test(`${name}: publishes JSON under an event name, and says why it could not`, {
    timeout: 120_000,
  }, async (t) => {
    const channel = `orders-${name.split('.')[1]}`;
    const env = { TRICAST_URL: gateway.url };
    const ledger = await listen(t, channel);
    const data = { order: 17, total: '9,90 €', note: '"quoted" & <tagged>\n🎉' };
    const sent = await run(program, [...args, channel, JSON.stringify(data), 'created'], { env });
    assert.equal(sent.code, 0, sent.errors);
    await until(() => ledger.messages.length, 'the message');
    const [message] = ledger.messages;
    assert.deepEqual([message.event, message.data], ['created', data]);
    const answer = JSON.parse(sent.output);
    assert.deepEqual([answer.id, answer.subscribers], [message.id, 1]);

    const refused = await run(program, [...args, channel, '1', 'tricast.hello'], { env });
    assert.notEqual(refused.code, 0);
    assert.match(refused.errors, /400/);
    assert.equal((await gateway.history(channel)).length, 1);
  });

  test(`${name}: keeps all digits`, { timeout: 120_000 }, async () => {
    const channel = `digits-${name.split('.')[1]}`;
    const text = '{"n":12345678901234567890,"m":1.10}';
    const sent = await run(program, [...args, channel, text], {
      env: { TRICAST_URL: gateway.url },
    });
    assert.equal(sent.code, 0, sent.errors);
    const held = await fetch(`${gateway.url}/history/${channel}`);
    assert.ok((await held.text()).includes(`"data":${text}`));
  });

  test(`${name}: a mistake is one line that says what to do`, { timeout: 120_000 }, async () => {
    const away = { TRICAST_URL: 'http://127.0.0.1:9' };
    for (const [values, env, words] of [
      [['demo', 'hello'], {}, /^not JSON.*'"hello"'$/],
      [['demo', '1'], away, /127\.0\.0\.1:9/],
    ]) {
      const failed = await run(program, [...args, ...values], { env });
      assert.notEqual(failed.code, 0);
      // `go run` adds the exit code of the program.
      const lines = failed.errors.trim().split('\n');
      assert.deepEqual(
        lines.filter((line) => line !== 'exit status 1').length,
        1,
        `one line: ${failed.errors}`,
      );
      assert.match(lines[0], words);
    }
  });

  test(`${name}: an API key opens a gateway that requires one`, { timeout: 120_000 }, async () => {
    const made = await run(tricast, ['key', '--name', 'shop', '--publish', 'demo']);
    const hash = made.errors.match(/sha256:[0-9a-f]+/)[0];
    const locked = await startGateway({
      KEY: `[{ name = "shop", hash = "${hash}", publish = ["demo"] }]`,
    });
    try {
      const publish = (key) =>
        run(program, [...args, 'demo', '1'], { env: { TRICAST_URL: locked.url, ...key } });
      const refused = await publish({});
      assert.match(refused.errors, /401: you need an? /);
      const sent = await publish({ API_KEY: made.output.trim() });
      assert.equal(sent.code, 0, sent.errors);
    } finally {
      await locked.stop();
    }
  });

  test(`${name}: wrong usage exits with 2`, { timeout: 120_000 }, async () => {
    const { code, errors } = await run(program, [...args, 'demo']);
    assert.match(errors, /^usage: .*CHANNEL JSON \[EVENT\]/);
    // `go run` exits with 1 itself, and prints the code of the program.
    if (program === 'go') assert.match(errors, /exit status 2/);
    else assert.equal(code, 2);
  });
}

test('send.mjs: a gateway that is away is one line', { timeout: 30_000 }, async () => {
  const { code, errors } = await run(process.execPath, [example('send.mjs'), 'http://127.0.0.1:9']);
  assert.equal(code, 1);
  assert.match(errors, /^no answer from http:\/\/127\.0\.0\.1:9: [^\n]*\n$/);
});

test('chat.html: asks for no file that is not there', { timeout: 30_000 }, async () => {
  const page = await readFile(example('chat.html'), 'utf8');
  assert.match(page, /<link rel="icon" href="data:,">/);
});
