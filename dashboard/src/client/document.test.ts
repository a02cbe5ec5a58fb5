import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMessage, parseId } from './document.ts';

test('an id is split at its last dash', { timeout: 60_000 }, () => {
  assert.deepEqual(parseId('tpbj-7'), { epoch: 'tpbj', seq: 7 });
  assert.deepEqual(parseId('a-b-12'), { epoch: 'a-b', seq: 12 });
});

test('a message is known by its data, even null', { timeout: 60_000 }, () => {
  const message = { id: 'e-1', channel: 'a', event: 'tricast.presence', data: null, time: 0 };
  assert.equal(isMessage(message), true);
  assert.equal(isMessage({ event: 'tricast.alive', id: 'e-1', time: 0 }), false);
});
