import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffDelay } from './backoff.ts';

test('the delay doubles with each failure up to a limit', { timeout: 60_000 }, () => {
  for (const [failures, longest] of [
    [1, 250],
    [2, 500],
    [3, 1000],
    [7, 15_000],
    [100, 15_000],
  ] as const) {
    for (let n = 0; n < 100; n += 1) {
      const delay = backoffDelay(failures);
      assert.ok(delay >= longest / 2 && delay <= longest, `${delay} ms after ${failures}`);
    }
  }
});

test('clients that fail together do not return together', { timeout: 60_000 }, () => {
  const delays = new Set(Array.from({ length: 100 }, () => backoffDelay(5)));
  assert.ok(delays.size > 50, `${delays.size} different delays`);
});
