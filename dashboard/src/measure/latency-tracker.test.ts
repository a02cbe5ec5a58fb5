import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyTracker } from './latency-tracker.ts';

test('latencies are measured in either order of events, and only for own messages', {
  timeout: 60_000,
}, () => {
  const tracker = new LatencyTracker();
  const latencies: number[] = [];
  const receive = (key: string, at: number) => {
    tracker.received(key, at, (latency) => latencies.push(latency));
  };
  tracker.published('a', 10);
  receive('a', 14);
  receive('a', 15);
  receive('b', 21);
  receive('b', 22);
  tracker.published('b', 20);
  receive('of another publisher', 30);
  assert.deepEqual(latencies, [4, 5, 1, 2]);
});
