// The table of docs/llm-threads.md has all forty threads, and the tests that it names are there.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from './gateway.mjs';

const COUNT = 40;

const rows = readFileSync(join(repository, 'docs/llm-threads.md'), 'utf8')
  .split('\n')
  .map((line) => line.match(/^\| (\d+) \| (.*?) \| (.*) \| (.*?) \|$/))
  .filter(Boolean)
  .map(([, number, thread, , here]) => ({ number: Number(number), thread, here }));

/** All Rust sources below a folder. */
function rustSources(folder) {
  const files = readdirSync(join(repository, folder), { recursive: true });
  return files
    .filter((name) => name.endsWith('.rs') && !name.startsWith('target'))
    .map((name) => readFileSync(join(repository, folder, name), 'utf8'))
    .join('\n');
}

test('the table has each thread once, in order', { timeout: 10_000 }, () => {
  assert.deepEqual(
    rows.map(({ number }) => number),
    Array.from({ length: COUNT }, (_, n) => n + 1),
  );
  for (const { number, thread } of rows) assert.match(thread, /^[\w.-]+\/[\w.-]+/, `${number}`);
});

test('each thread names tests that are there, or says why it has none', {
  timeout: 10_000,
}, (t) => {
  const rust = rustSources('crates') + rustSources('tests');
  let open = 0;
  for (const { number, here } of rows) {
    const names = [...here.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    if (!names.length) {
      assert.match(here, /^(Not applicable|Open): \S/, `thread ${number}`);
      open += here.startsWith('Open') ? 1 : 0;
    }
    for (const name of names) {
      const [, file, title] = name.match(/^([\w-]+\.test\.mjs): (.+)$/) ?? [];
      const found = file
        ? isTitle(readFileSync(join(repository, 'tests/clients', file), 'utf8'), title)
        : rust.includes(`fn ${name}(`);
      assert.ok(found, `thread ${number} names a test that is not there: ${name}`);
    }
  }
  t.diagnostic(`${open} of ${rows.length} threads are open`);
});

/** Whether a text of the source is that title, but for a value before or behind it. */
const isTitle = (source, title) =>
  [`'${title}'`, `\`${title} \${`, `}: ${title}\``].some((text) => source.includes(text));
