// The snippets of README and docs do what they say, as typed.
//
// A fence of `sh` runs in namespaces of its own, where 8080 and 9464 are free and there is no network but loopback; the comment
// before it says what is expected (snippets/fences.mjs). A fence of `console` does not run, and the comment says why. `toml` has
// to be good settings, `js` runs in a page of the gateway or is a file that another test takes from here. What builds (`make run`, `cargo install`) goes its way as far as cargo, in whose place stands the program
// that all client tests use (snippets/cargo), and `pip install` has been done. Without the right to make namespaces this fails.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { repository, startGateway } from './gateway.mjs';
import { makeCertificate } from './proxies/certificate.mjs';
import { fences } from './snippets/fences.mjs';
import { startMachine } from './snippets/machine.mjs';
import { runSession, sessions } from './snippets/session.mjs';
import { until } from './wait.mjs';

const documents = [
  'README.md',
  'README.zh-CN.md',
  ...readdirSync(join(repository, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .sort(),
];
const all = documents.map((name) => [name, fences(join(repository, name))]);
const languages = new Set(['sh', 'console', 'toml', 'js', 'json', 'text']);
const of = (list, language) => list.filter((fence) => fence.language === language);

test('every fence says what it is, and one that does not run says why', {
  timeout: 10_000,
}, (t) => {
  for (const [name, list] of all) {
    for (const { language, line, reason, directive, file } of list) {
      const where = `${name}:${line}`;
      assert.ok(
        languages.has(language),
        `${where}: name the fence's language: ${[...languages].join(', ')}`,
      );
      if (language === 'console')
        assert.ok(reason, `${where}: say before it why it does not run: <!-- not run: … -->`);
      else if (language === 'js')
        assert.ok(
          directive.logs.length || file,
          `${where}: say what it logs in a page, or which file it is`,
        );
      else
        assert.equal(
          reason,
          undefined,
          `${where}: it runs, so there is no reason why not; a fence that cannot run is console`,
        );
    }
  }
  const count = (language) => all.reduce((sum, [, list]) => sum + of(list, language).length, 0);
  assert.ok(count('sh') > 0);
  t.diagnostic(
    `sh: ${count('sh')} run; console: ${count('console')} do not; toml: ${count('toml')} checked; js: ${count('js')} run or are files`,
  );
  for (const [name, list] of all)
    for (const { line, reason } of of(list, 'console'))
      t.diagnostic(`${name}:${line} does not run: ${reason}`);
});

for (const [name, list] of all) {
  for (const session of sessions(of(list, 'sh'))) {
    test(`${name}:${session.map(({ line }) => line).join(', ')}`, { timeout: 600_000 }, () =>
      runSession(session),
    );
  }
}

test('settings in the documents are good', { timeout: 120_000 }, async () => {
  const machine = await startMachine();
  try {
    const folder = join(machine.folder, 'settings');
    mkdirSync(folder);
    const { cert, key } = await makeCertificate(folder);
    machine.run('install', '-d', '/etc/tricast/tls');
    machine.run('cp', cert, '/etc/tricast/tls/chain.pem');
    machine.run('cp', key, '/etc/tricast/tls/key.pem');
    for (const [name, list] of all) {
      for (const { text, line } of of(list, 'toml')) {
        const file = join(folder, 'gateway.toml');
        writeFileSync(file, text);
        // A part of a file: keys are not shown there.
        assert.doesNotThrow(() => {
          machine.run('tricast', 'key', '--name', 'snippet', '--publish', '**', '--append', file);
          machine.run('env', 'TRICAST__INSECURE=true', 'tricast', 'check', '--config', file);
        }, `${name}:${line}`);
      }
    }
  } finally {
    await machine.close();
  }
});

test('code for a page logs what the documents say', { timeout: 120_000 }, async (t) => {
  const demo = { LLM: '[{ name = "demo", url = "demo:" }]', 'access.prompt': 'auto' };
  const gateway = await startGateway(demo);
  t.after(() => gateway.stop());
  const browser = await startBrowser();
  t.after(() => browser.close());
  for (const [name, list] of all) {
    for (const { text, line, directive } of of(list, 'js').filter(({ file }) => !file)) {
      const page = await browser.newPage();
      const logged = [];
      page.on('console', (message) => logged.push(message.text()));
      await page.goto(gateway.url);
      // Not awaited: some of it reads for ever.
      page.evaluate(`(async () => {\n${text}\n})()`).catch((error) => logged.push(String(error)));
      await until(
        async () => {
          await gateway.publish('demo', 'hello');
          await gateway.publish('demo', 'named', '?event=price');
          return directive.logs.every((expected) =>
            logged.some((each) => each.startsWith(expected)),
          );
        },
        () => `${name}:${line} to log ${directive.logs}: ${logged.join('\n')}`,
        { every: 100, timeout: 30_000 },
      );
      await page.close();
    }
  }
});
