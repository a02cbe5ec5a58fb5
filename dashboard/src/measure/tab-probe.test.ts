import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TabProbe } from './tab-probe.ts';

test('a probe counts the lateness of its timer and the tasks before its own', {
  timeout: 60_000,
}, () => {
  let now = 0;
  let fire = () => {};
  let run = () => {};
  let interval = 0;
  let cancelled = false;
  const probe = new TabProbe({
    now: () => now,
    after(ms, callback) {
      interval = ms;
      fire = callback;
      return () => {
        cancelled = true;
      };
    },
    queue(callback) {
      run = callback;
    },
  });
  const turn = (late: number, queued: number) => {
    now += interval + late;
    fire();
    now += queued;
    run();
  };
  probe.start();
  turn(0, 0);
  turn(30, 5);
  assert.ok(interval >= 20 && interval <= 40, `${interval}`);
  assert.deepEqual(
    probe.delays.map((delay) => Math.round(1000 * delay) / 1000),
    [0, 35],
  );
  probe.stop();
  assert.ok(cancelled);
  // A task that was queued before the stop.
  run();
  assert.equal(probe.delays.length, 2);
});
