import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { zh } from './zh.ts';

/** The same in every language. */
const NAMES = ['Tricast', 'SSE', 'Chunked', 'WebSocket', 'JSON', 'message', 'English', 'p99'];
const NOT_TRANSLATED =
  /<!--.*?-->|<head>.*<\/head>|<noscript>.*<\/noscript>|<(pre|kbd|code|option lang)[^>]*>[^<]*/gs;
const TEXT = />([^<]+)</g;
const ATTRIBUTE = /\b(?:title|placeholder|aria-label|data-empty)="([^"]+)"/g;

test('every text of the markup has a translation', { timeout: 60_000 }, () => {
  const markup = readFileSync('src/index.html', 'utf8').replace(NOT_TRANSLATED, '');
  const texts = [...markup.matchAll(TEXT), ...markup.matchAll(ATTRIBUTE)]
    .map(([, text = '']) => text.trim().replace(/\s+/g, ' '))
    .filter((text) => /[a-z]/i.test(text));
  assert.ok(texts.length > 80, `${texts.length} texts`);
  assert.deepEqual(
    texts.filter((text) => !Object.hasOwn(zh, text) && !NAMES.includes(text)),
    [],
  );
});

test('every translation has the values of its text', { timeout: 60_000 }, () => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [english, chinese] of Object.entries(zh)) {
    assert.deepEqual(values(chinese), values(english), english);
  }
});
