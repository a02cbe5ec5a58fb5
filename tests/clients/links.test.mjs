// Links between the documents lead somewhere: to a file that is there, and to a heading that it has.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { repository } from './gateway.mjs';

const documents = ['.', 'docs', 'ops', 'bench', 'examples', '.github']
  .filter((folder) => existsSync(join(repository, folder)))
  .flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: folder !== '.' }).map((name) =>
      normalize(join(folder, name)),
    ),
  )
  .filter((name) => name.endsWith('.md'));

/** What is no code: neither fences nor what stands between backticks is a link. */
const prose = (name) =>
  readFileSync(join(repository, name), 'utf8').replace(/^(\s*)(`{3,})[\s\S]*?^\s*\2\s*$/gm, '');

/** The anchors of a document, as GitHub makes them: a heading's text without markup and punctuation, repeated ones numbered. */
function anchors(name) {
  const seen = new Map();
  return [...prose(name).matchAll(/^#{1,6} +(.*?) *#*$/gm)].map(([, heading]) => {
    const text = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[`*]/g, '')
      .toLowerCase();
    const slug = text.replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times ? `${slug}-${times}` : slug;
  });
}

test('every link of a document leads to a file and a heading that are there', {
  timeout: 10_000,
}, (t) => {
  const broken = [];
  let count = 0;
  for (const name of documents) {
    const text = prose(name).replace(/`[^`\n]*`/g, '');
    for (const [, target] of text.matchAll(/\]\(([^()\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      count += 1;
      const [path, anchor] = target.split('#');
      const file = path ? normalize(join(dirname(name), decodeURI(path))) : name;
      if (file.startsWith('..') || !existsSync(join(repository, file)))
        broken.push(`${name}: ${target}: no such file`);
      else if (anchor && !anchors(file).includes(decodeURIComponent(anchor))) {
        broken.push(`${name}: ${target}: no such heading; ${file} has ${anchors(file).join(', ')}`);
      }
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(
    documents.includes('README.md') && count > 50,
    `${count} links in ${documents.length} documents`,
  );
  t.diagnostic(`${count} links in ${documents.length} documents`);
});
