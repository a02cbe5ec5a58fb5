import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Timeline } from './timeline.ts';

test('a timeline has the median of each half second, late values included', {
  timeout: 60_000,
}, () => {
  const timeline = new Timeline();
  const latencies: [ms: number, now: number][] = [
    [5, 0],
    [1, 100],
    [9, 499],
    [7, 500],
    [100, 400],
    [3, 999],
  ];
  for (const [ms, now] of latencies) timeline.add(ms, now);
  assert.deepEqual(timeline.upTo(1000), [
    { slot: 0, median: 5 },
    { slot: 1, median: 7 },
  ]);
  assert.equal(timeline.upTo(5000).length, 2, 'no slot without a latency');
});
