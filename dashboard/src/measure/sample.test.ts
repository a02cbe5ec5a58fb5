import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, quantile } from './quantile.ts';
import { Sample } from './sample.ts';

test('quantiles are exact', { timeout: 60_000 }, () => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n);
  assert.deepEqual(
    [0, 0.5, 0.9, 0.99, 1].map((q) => quantile(values, q)),
    [1, 50, 90, 99, 100],
  );
  assert.deepEqual(
    [median(values), median([3, 9, 1]), median([]), quantile([], 0.5)],
    [50.5, 3, null, null],
  );
});

test('a sample keeps its size, and stands for all values', { timeout: 60_000 }, () => {
  const sample = new Sample();
  for (let n = 0; n < 100_000; n += 1) sample.add(n);
  assert.deepEqual([sample.count, sample.max, sample.values.length], [100_000, 99_999, 8192]);
  const middle = median(sample.values) ?? 0;
  assert.ok(Math.abs(middle - 50_000) < 5000, `${middle}`);
});
