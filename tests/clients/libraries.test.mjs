// The programs of docs/client-libraries.md: each resumes after a cut, and stops when a goodbye says `never`.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run, start, stop } from './child.mjs';
import { repository, startGateway } from './gateway.mjs';
import { startRelay } from './relay.mjs';
import { fences } from './snippets/fences.mjs';
import { until } from './wait.mjs';

/** What a browser has and Node 20 has not. */
const prelude = `
import { WebSocket } from 'ws';
globalThis.WebSocket ??= WebSocket;
globalThis.window ??= globalThis;
globalThis.document ??= { hidden: false, addEventListener() {}, removeEventListener() {} };
`;
const programs = fences(join(repository, 'docs/client-libraries.md')).filter(({ file }) => file);

let folder;
before(async () => {
  // In here the packages of the tests are found.
  folder = await mkdtemp(new URL('libraries-', import.meta.url).pathname);
});
after(async () => {
  if (folder) await rm(folder, { recursive: true });
});

/** Runs the program of the document against `url`. */
async function follow(t, { file, text }, url) {
  const path = join(folder, file);
  const address = new URL(url).host;
  await writeFile(join(folder, 'prelude.mjs'), prelude);
  await writeFile(path, `import './prelude.mjs';\n${text.replaceAll('127.0.0.1:8080', address)}`);
  const reader = start(process.execPath, [path]);
  t.after(() => stop(reader));
  return reader;
}

test('the document has a program for each library', { timeout: 10_000 }, () => {
  assert.deepEqual(
    programs.map(({ file }) => file),
    ['reconnecting-websocket.mjs', 'partysocket.mjs', 'fetch-event-source.mjs'],
  );
});

for (const program of programs) {
  describe(program.file, () => {
    test('receives all messages across a cut, and stops at never', {
      timeout: 120_000,
    }, async (t) => {
      const gateway = await startGateway({ 'stream.retry': '100ms' });
      t.after(() => gateway.stop());
      const relay = await startRelay(gateway.url);
      t.after(() => relay.close());
      const reader = await follow(t, program, relay.url);
      const present = async (count) =>
        until(async () => (await gateway.online('demo')).connections === count, `${count} readers`);
      await present(1);
      await gateway.publish('demo', 'before');
      await until(() => reader.output.includes('before'), 'the first message');
      relay.cut();
      await gateway.publish('demo', 'meanwhile');
      await until(() => reader.output.includes('meanwhile'), 'what was published during the cut');
      await gateway.publish('demo', 'the end', '?end=true');
      assert.equal(await reader.exited, 0, reader.errors);
      assert.deepEqual(reader.output.trim().split('\n'), ['before', 'meanwhile', 'the end']);
    });
  });
}

for (const program of programs.filter(({ text }) => text.includes('WebSocket'))) {
  test(`${program.file}: without its line for never the library reconnects for ever`, {
    timeout: 120_000,
  }, async (t) => {
    const gateway = await startGateway();
    t.after(() => gateway.stop());
    const text = program.text.replace(/^.*'never'.*\n/m, '');
    assert.notEqual(text, program.text);
    const lines = 'console.log(message.data);\n';
    const counted = text.replace(
      lines,
      `${lines}  if (message.event === 'tricast.goodbye') console.log('again');\n`,
    );
    await gateway.publish('demo', 'the end', '?end=true');
    const reader = await follow(
      t,
      {
        ...program,
        text: counted.replace(
          "let last = ''",
          `let last = '${(await gateway.history('demo'))[0].id}'`,
        ),
      },
      gateway.url,
    );
    // Two delays that the library picks between 1 s and 5 s, the second 1.3 times as long.
    await until(() => reader.output.split('again').length > 3, 'three goodbyes', {
      timeout: 60_000,
    });
  });
}

test('openai-python: a request without Authorization is taken, and one with it is refused', {
  timeout: 120_000,
}, async (t) => {
  const gateway = await startGateway();
  t.after(() => gateway.stop());
  const program = `
import openai, sys
client = openai.OpenAI(api_key="any", base_url=sys.argv[1], max_retries=0)
try:
    client.get("/online/demo", cast_to=object)
except openai.BadRequestError as error:
    print(error.status_code)
options = {"headers": {"Authorization": openai.Omit()}}
print(client.get("/online/demo", cast_to=object, options=options)["channel"])
`;
  const python = join(repository, 'tests/clients/.venv/bin/python');
  const { output, errors } = await run(python, ['-c', program, gateway.url]);
  assert.equal(output, '400\ndemo\n', errors);
});
