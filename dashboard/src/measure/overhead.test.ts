import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from './overhead.ts';

const message = { id: 'e-1', channel: 'demo', event: 'message', time: 0 };

/** Returns the framing and payload of a message whose document has a certain length. */
function weigh(wire: 'sse' | 'chunked' | 'ws', length: number) {
  const text = 'x'.repeat(length);
  const { framing, payload } = bytesOf(wire, text, { ...message, data: text });
  return [framing, payload];
}

test('frame headers grow at 126 and 65536 bytes', { timeout: 60_000 }, () => {
  const headers = [125, 126, 65_535, 65_536].map((length) => weigh('ws', length)[0]);
  assert.deepEqual(headers, [2, 4, 4, 10]);
});

test('a chunk counts its size line, its lines and its end', { timeout: 60_000 }, () => {
  assert.deepEqual(weigh('chunked', 14), ['f\r\n\n\r\n'.length, 14]);
  assert.deepEqual(weigh('chunked', 15), ['10\r\n\n\r\n'.length, 15]);
  const event = 'data: \nid: e-1\n\n';
  assert.deepEqual(weigh('sse', 10), [`1a\r\n${event}\r\n`.length, 10]);
});

test('bytes are counted, not characters', { timeout: 60_000 }, () => {
  assert.equal(bytesOf('ws', 'ünï', { ...message, data: null }).payload, 5);
});
