import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from './histogram.ts';

/** Asserts that a value is within a share of the expected one. */
function near(value: number | null, expected: number, share = 0.1) {
  assert.ok(value !== null, `null instead of ${expected}`);
  const message = `${value} instead of ${expected}`;
  assert.ok(Math.abs(value - expected) <= share * expected, message);
}

test('a histogram is exact to a tenth at both ends and in between', { timeout: 60_000 }, () => {
  const histogram = new Histogram();
  assert.equal(histogram.quantile(0.5), null);
  for (let n = 1; n <= 1000; n += 1) histogram.add(n / 10);
  near(histogram.quantile(0.5), 50);
  near(histogram.quantile(0.99), 99);
  assert.equal(histogram.quantile(1), 100, 'never above the longest');
  near(histogram.quantile(0.001), 0.1);
  assert.equal(histogram.count, 1000);
  const total = histogram.shares().reduce((sum, [, share]) => sum + share, 0);
  near(total, 1, 1e-9);
  histogram.add(1e9);
  assert.equal(histogram.max, 1e9);
});
