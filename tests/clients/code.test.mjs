// The programs of the page's Code section, taken from the page and cut twice: each resumes, loses nothing, and repeats nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBrowser } from './browser.mjs';
import { run, signal, start } from './child.mjs';
import { open } from './dashboard.mjs';
import { startStage, ways } from './stage.mjs';
import { until } from './wait.mjs';

const PYTHON = fileURLToPath(new URL('.venv/bin/python', import.meta.url));
/** Messages before, between and after the two cuts. */
const PORTION = 20;

/** Reads the programs that the page shows for its channel. */
async function readSnippets(browser, page) {
  const tab = await open(browser, `${page}#demo`);
  const snippets = {};
  for (const name of await tab.$$eval('#languages button', (tabs) =>
    tabs.map(({ dataset }) => dataset.name),
  )) {
    await tab.click(`#languages [data-name="${name}"]`);
    snippets[name] = await tab.textContent('#snippet');
  }
  await tab.context().close();
  return snippets;
}

/** Starts a program; `lines` returns what it has printed, `over` whether it has ended well. */
async function startProgram(t, folder, { file, source, command, build }) {
  const path = join(folder, file);
  writeFileSync(path, source);
  if (build) {
    const built = await run(...build(path));
    assert.equal(built.code, 0, built.errors);
  }
  const child = start(...command(path), { detached: true });
  t.after(() => signal(child, 'SIGKILL'));
  let code;
  child.exited.then((value) => {
    code = value;
  });
  return {
    lines: () => child.output.split('\n'),
    errors: () => child.errors,
    over: () => code === 0,
    failed: () => code !== undefined && code !== 0,
  };
}

/** Runs a program in a page of its own, on the gateway's origin; `over` as above. */
async function startInPage(t, browser, { url, source, module }) {
  const context = await browser.newContext({ bypassCSP: true });
  t.after(() => context.close());
  const page = await context.newPage();
  const printed = [];
  page.on('console', (line) => printed.push(line.text()));
  page.on('pageerror', (error) => printed.push(String(error)));
  // Any file of the gateway will do: it opens no streams, as the page itself would.
  await page.goto(`${url}style.css`);
  await page.clock.install();
  await page.evaluate(() => {
    globalThis.opened = [];
    for (const name of ['EventSource', 'WebSocket']) {
      globalThis[name] = new Proxy(globalThis[name], {
        construct(target, args) {
          const made = new target(...args);
          globalThis.opened.push(made);
          return made;
        },
      });
    }
  });
  let attempts = 0;
  for (const event of ['request', 'websocket'])
    page.on(event, () => {
      attempts += 1;
    });
  await page.addScriptTag({ content: source, ...(module && { type: 'module' }) });
  return {
    page,
    lines: () => printed,
    errors: () => printed.join('\n'),
    over: () =>
      page.evaluate(() =>
        globalThis.opened.every(
          (made) => made.readyState === (made instanceof EventSource ? 2 : 3),
        ),
      ),
    /** Lets an hour pass in the page; returns how often it has tried to connect in it. */
    async attemptsInAnHour() {
      const before = attempts;
      await page.clock.runFor('01:00:00');
      // A request that a timer has made comes before this one.
      await page.evaluate(() => fetch('style.css'));
      return attempts - before - 1;
    },
    failed: () => false,
  };
}

/** Returns the numbers that a reader has printed, in their order: `<id> <number>`, or the document. */
const numbers = (reader) =>
  reader
    .lines()
    .map((line) => line.match(/^\S+-\d+ (\d+)$/)?.[1] ?? line.match(/"data":(\d+)[,}]/)?.[1])
    .filter((number) => number !== undefined)
    .map(Number);

const programs = {
  Shell: { file: 'listen.sh', command: (path) => ['sh', [path]] },
  Python: { file: 'listen.py', command: (path) => [PYTHON, [path]] },
  Go: {
    file: 'listen.go',
    build: (path) => ['go', ['build', '-o', `${path}.program`, path]],
    command: (path) => [`${path}.program`, []],
  },
  'fetch in Node': { file: 'listen.mjs', command: (path) => ['node', [path]] },
};
const inPages = {
  EventSource: {},
  WebSocket: {},
  fetch: { module: true },
};

for (const way of ways)
  test(`each program of the page survives two hard cuts without a loss or a repeat, and ends with its channel: ${way}`, {
    timeout: 300_000,
  }, async (t) => {
    const stage = await startStage(way);
    t.after(() => stage.close());
    const browser = await startBrowser();
    t.after(() => browser.close());
    const folder = mkdtempSync(join(tmpdir(), 'code-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const snippets = await readSnippets(browser, stage.page);
    assert.deepEqual(
      Object.keys(snippets).sort(),
      ['curl', 'Shell', 'EventSource', 'fetch', 'WebSocket', 'Python', 'Go'].sort(),
    );

    const readers = {};
    for (const [name, program] of Object.entries(programs)) {
      const source = snippets[name.split(' ')[0]];
      readers[name] = await startProgram(t, folder, { ...program, source });
    }
    for (const [name, { module }] of Object.entries(inPages)) {
      const source = snippets[name];
      readers[name] = await startInPage(t, browser, { url: stage.page, source, module });
    }
    const count = Object.keys(readers).length;
    const connected = () =>
      until(
        async () => (await stage.gateway.online('demo')).connections === count,
        async () =>
          `${count} connections: ${JSON.stringify(await stage.gateway.online('demo'))} ${Object.values(readers).map((reader) => reader.errors())}`,
        { timeout: 60_000 },
      );
    const expected = [];
    const publish = async () => {
      for (let n = 0; n < PORTION; n += 1) {
        await stage.gateway.publish('demo', expected.length);
        expected.push(expected.length);
      }
    };
    const delivered = async () => {
      for (const [name, reader] of Object.entries(readers)) {
        await until(
          () => numbers(reader).includes(expected.at(-1)) || reader.failed(),
          () => `${name} to receive ${expected.at(-1)}: ${reader.lines()} ${reader.errors()}`,
          { timeout: 60_000 },
        );
        assert.deepEqual(numbers(reader), expected, `${name}: ${reader.errors()}`);
      }
    };
    await connected();
    await publish();
    await delivered();
    stage.relay.cut();
    await publish();
    await delivered();
    await connected();
    // In the middle of what the gateway writes next.
    stage.relay.cut({ inside: true });
    await publish();
    await delivered();
    await connected();

    await stage.gateway.publish('demo', 'the end', '?end=true');
    for (const [name, reader] of Object.entries(readers)) {
      await until(
        () => reader.over(),
        () => `${name} to end with its channel: ${reader.lines()} ${reader.errors()}`,
        { timeout: 30_000 },
      );
      assert.deepEqual(numbers(reader), expected, name);
      if (name in inPages) assert.equal(await reader.attemptsInAnHour(), 0, name);
    }
    const greetings = (await stage.gateway.history('demo')).filter(({ data }) => data?.hello);
    assert.equal(greetings.length, 1, 'the WebSocket published once, not at each reconnect');
  });

test('the commands of the page for curl run as they stand', { timeout: 60_000 }, async (t) => {
  const stage = await startStage('direct');
  t.after(() => stage.close());
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { curl } = await readSnippets(browser, stage.page);
  const commands = curl.split('\n').filter((line) => line.startsWith('curl'));
  assert.equal(commands.length, 3);
  const published = await run('sh', ['-c', commands[2]]);
  assert.equal(published.code, 0, published.errors);
  assert.deepEqual((await stage.gateway.history('demo'))[0].data, { hello: 'world' });
  for (const command of commands.slice(0, 2)) {
    const listened = await run('sh', ['-c', `${command} -s --max-time 1`]);
    assert.match(listened.output, /tricast\.hello/);
  }
});

test('the EventSource program of the page survives an error response of a proxy', {
  timeout: 60_000,
}, async (t) => {
  const stage = await startStage('direct');
  t.after(() => stage.close());
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { EventSource: source } = await readSnippets(browser, stage.page);
  const reader = await startInPage(t, browser, { url: stage.page, source });
  const received = (expected) =>
    until(
      () => String(numbers(reader)) === String(expected),
      () => `${expected}: ${reader.lines()}`,
      { timeout: 20_000 },
    );
  await until(
    async () => (await stage.gateway.online('demo')).connections === 1,
    'the program to listen',
  );
  await stage.gateway.publish('demo', 1);
  await received([1]);
  stage.relay.refuse(
    'sse',
    'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  stage.relay.cut();
  await until(
    () => reader.page.evaluate(() => globalThis.opened[0].readyState === EventSource.CLOSED),
    () => `the browser to give up: ${reader.lines()}`,
    { timeout: 20_000 },
  );
  await stage.gateway.publish('demo', 2);
  stage.relay.accept('sse');
  await received([1, 2]);
});
