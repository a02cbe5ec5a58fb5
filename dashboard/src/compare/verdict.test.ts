// The verdict on simulated and on recorded measurements: how often it is wrong, and how often right.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { WireName } from '../client/index.ts';
import { WIRES } from '../text/wires.ts';
import { NOISES, type Random, randomOf, simulate } from './simulation.ts';
import { type Round, verdict } from './verdict.ts';

const SEED = 20_261_130;
const EQUAL_RESAMPLES = 10_000;
const DELAYED_RESAMPLES = 500;
const DELAY_MS = 50;
const TAB_DELAY_MS = 6;
/** Chromium with a gateway on the same machine; in `delayed` a relay held WebSockets 50 ms back. */
const recorded = JSON.parse(readFileSync('src/compare/recorded.json', 'utf8')) as Record<
  'equal' | 'delayed',
  Round[]
>;

/** Asserts that at most 1 % of measurements name a wire as slower. */
function assertNamesNone(name: string, measure: () => Round[]) {
  let named = 0;
  for (let n = 0; n < EQUAL_RESAMPLES; n += 1) {
    if (verdict(measure(), TAB_DELAY_MS).slower.length) named += 1;
  }
  assert.ok(named <= EQUAL_RESAMPLES / 100, `${name}: ${named} of ${EQUAL_RESAMPLES}`);
}

/** Asserts that at least 99 % of measurements name this wire as slower than both others. */
function assertNames(wire: WireName, name: string, measure: () => Round[]) {
  let right = 0;
  for (let n = 0; n < DELAYED_RESAMPLES; n += 1) {
    const { slower } = verdict(measure(), TAB_DELAY_MS);
    if (slower.length === 2 && slower.every((one) => one.wire === wire)) right += 1;
  }
  assert.ok(right >= 0.99 * DELAYED_RESAMPLES, `${name}: ${right} of ${DELAYED_RESAMPLES}`);
}

for (const [name, noise] of Object.entries(NOISES)) {
  test(`equal wires are not told apart: ${name}`, { timeout: 120_000 }, () => {
    const random = randomOf(SEED);
    assertNamesNone(name, () => simulate(random, noise(random), {}));
  });
}

test('the order of the callbacks in one tab is no difference', { timeout: 120_000 }, () => {
  // Seen on loopback, with medians from 15 to 28 ms: each wire of a tab waits for the one before.
  const orders = [
    { chunked: 5.4, ws: 5.4 },
    { chunked: 4.5, ws: 2.9 },
    { chunked: 5.3, ws: 2.5 },
  ];
  const random = randomOf(SEED);
  const noise = NOISES['heavy tail']?.(random) ?? assert.fail();
  let run = 0;
  assertNamesNone('callbacks', () => {
    run += 1;
    return simulate(random, noise, orders[run % orders.length] ?? {});
  });
});

/** On paths this slow and wide 50 ms are no more than the latency itself varies. */
const TOO_WIDE = ['slow and wide'];

for (const [name, noise] of Object.entries(NOISES)) {
  if (TOO_WIDE.includes(name)) continue;
  test(`a wire that is delayed by 50 ms is named: ${name}`, { timeout: 120_000 }, () => {
    const random = randomOf(SEED);
    for (const wire of WIRES) {
      assertNames(wire, `${name}, ${wire}`, () =>
        simulate(random, noise(random), { [wire]: DELAY_MS }),
      );
    }
  });
}

/** Draws rounds with replacement. */
function resample(measured: Round[], random: Random): Round[] {
  return measured.map(() => measured[Math.floor(random() * measured.length)] ?? {});
}

test('recorded measurements of equal wires are not told apart', { timeout: 120_000 }, () => {
  const random = randomOf(SEED);
  const blocks = recorded.equal.flatMap((round) => Object.values(round));
  const draw = () => blocks[Math.floor(random() * blocks.length)] ?? [];
  // Any block for any wire, so that the wires are equal for certain.
  assertNamesNone('any block', () =>
    recorded.equal.map(() => ({ sse: draw(), chunked: draw(), ws: draw() })),
  );
  assert.deepEqual(verdict(recorded.equal, TAB_DELAY_MS).slower, [], 'as they were');
});

test('recorded measurements of a delayed wire name it', { timeout: 120_000 }, () => {
  const random = randomOf(SEED);
  assertNames('ws', 'recorded', () => resample(recorded.delayed, random));
  assertNames('sse', 'recorded, delayed afterwards', () =>
    resample(recorded.equal, random).map((round) => ({
      ...round,
      sse: round.sse?.map((latency) => latency + DELAY_MS) ?? [],
    })),
  );
});

const rounds = (count: number, latencies: Record<string, number>): Round[] =>
  Array.from({ length: count }, () =>
    Object.fromEntries(Object.entries(latencies).map(([wire, ms]) => [wire, [ms, ms, ms]])),
  );

test('a few rounds do not decide, however large the difference', { timeout: 60_000 }, () => {
  const outcomes = [0, 9, 10].map(
    (count) => verdict(rounds(count, { sse: 10, chunked: 10, ws: 900 }), 0).outcome,
  );
  assert.deepEqual(outcomes, ['too-few', 'too-few', 'difference']);
  assert.equal(verdict(rounds(30, { sse: 10 }), 0).outcome, 'too-few', 'one wire alone');
});

test('a difference that the tab may have made does not count', { timeout: 60_000 }, () => {
  const measured = rounds(20, { sse: 10, chunked: 10, ws: 50 });
  assert.equal(verdict(measured, 39).outcome, 'difference');
  assert.equal(verdict(measured, 40).outcome, 'no-difference');
});

test('slow messages that say the opposite prevent a finding', { timeout: 60_000 }, () => {
  const measured = Array.from({ length: 20 }, () => ({
    sse: [10, 10, 10, 10, 400, 400],
    ws: [50, 50, 50, 50, 60, 60],
  }));
  assert.equal(verdict(measured, 0).outcome, 'no-difference');
});

test('a wire that is sometimes missing is compared by the other rounds', {
  timeout: 60_000,
}, () => {
  const measured = [
    ...rounds(8, { sse: 10, chunked: 10 }),
    ...rounds(12, { sse: 10, chunked: 10, ws: 90 }),
  ];
  const { slower, rounds: complete } = verdict(measured, 0);
  assert.deepEqual(slower, [
    { wire: 'ws', than: 'sse' },
    { wire: 'ws', than: 'chunked' },
  ]);
  assert.equal(complete, 20);
});
