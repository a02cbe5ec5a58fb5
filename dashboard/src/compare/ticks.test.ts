import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linearTicks, logTicks } from './ticks.ts';

test('linear ticks are round', { timeout: 60_000 }, () => {
  assert.deepEqual(linearTicks(0, 29.4, 5), [0, 10, 20]);
  assert.deepEqual(linearTicks(0, 30, 5), [0, 10, 20, 30]);
  assert.deepEqual(linearTicks(0, 0.6, 5), [0, 0.2, 0.4, 0.6]);
  assert.deepEqual(linearTicks(0.3, 11.9, 7), [2, 4, 6, 8, 10]);
  assert.deepEqual(linearTicks(-1, 1, 5), [-1, -0.5, 0, 0.5, 1]);
});

test('logarithmic ticks are round, and as many as fit', { timeout: 60_000 }, () => {
  assert.deepEqual(logTicks(7, 230, 7), [10, 20, 50, 100, 200]);
  assert.deepEqual(logTicks(0.05, 2000, 7), [0.1, 1, 10, 100, 1000]);
  assert.deepEqual(logTicks(11, 19, 5), [12, 14, 16, 18]);
});

test('there are never too many ticks, and none outside of the range', { timeout: 60_000 }, () => {
  for (let high = 0.013; high < 50_000; high *= 1.37) {
    const linear = linearTicks(0, high, 6);
    assert.ok(linear.length >= 2 && linear.length <= 6, `${high}: ${linear}`);
    for (const low of [0.9 * high, 0.5 * high, 0.01 * high, 0.0001 * high]) {
      const ticks = logTicks(low, high, 6);
      assert.ok(ticks.length >= 1 && ticks.length <= 6, `${low} to ${high}: ${ticks}`);
      assert.ok(
        ticks.every((tick) => tick > 0.999 * low && tick < 1.001 * high),
        `${ticks}`,
      );
    }
  }
});
