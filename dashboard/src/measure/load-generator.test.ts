import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tagOf, testMessage } from './load-generator.ts';

test('test data has the requested size and a tag of its own', { timeout: 60_000 }, () => {
  for (const json of [true, false]) {
    for (const size of [40, 100, 5000]) {
      const [a, b] = [testMessage(1, { size, json }), testMessage(2, { size, json })];
      const text = json ? JSON.stringify(a.data) : String(a.data);
      assert.equal(text.length, size);
      assert.deepEqual([tagOf(a.data), tagOf(b.data)], [a.tag, b.tag]);
      assert.notEqual(a.tag, b.tag);
    }
  }
  for (const data of ['hello there', null, 7, { tag: 3 }, []]) assert.equal(tagOf(data), null);
});
