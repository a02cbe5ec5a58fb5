// Simulated measurements for the tests of the verdict: rounds of latencies of equal wires.

import type { WireName } from '../client/index.ts';
import { WIRES } from '../text/wires.ts';
import type { Round } from './verdict.ts';

/** Returns a number from 0 to 1, 1 excluded. */
export type Random = () => number;

/** Makes a generator that repeats itself for the same seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Returns the next latency in ms of a wire, without regard to the wire. */
export type Noise = () => number;

const ROUNDS = 20;
const MESSAGES = 6;

/** The noises under which equal wires must not be told apart. */
export const NOISES: Record<string, (random: Random) => Noise> = {
  // Median 16 ms and 99 % below 210 ms, as in a browser on a busy machine.
  'heavy tail': (random) => () => 16 * Math.exp(1.1 * normal(random)),
  'infinite variance': (random) => () => 10 / (1 - random()) ** (1 / 1.5),
  'skewed': (random) => () => 5 - 10 * Math.log(1 - random()),
  'slow and wide': (random) => () => 150 * Math.exp(0.5 * normal(random)),
  'in steps of 0.1 ms': (random) => () => Math.round(120 * Math.exp(0.3 * normal(random))) / 10,
  'in steps of 1 ms': (random) => () => Math.round(12 * Math.exp(0.3 * normal(random))),
  'autocorrelated': (random) => {
    let level = 0;
    return () => {
      level = 0.95 * level + 0.3 * normal(random);
      return 20 * Math.exp(0.5 * level);
    };
  },
  'drifting': (random) => {
    let level = 20;
    return () => {
      level = Math.max(5, level + 0.12 + normal(random));
      return level * (0.8 + 0.4 * random());
    };
  },
  'another program comes and goes': (random) => {
    let busy = false;
    return () => {
      if (random() < 0.03) busy = !busy;
      return (busy ? 60 : 15) * Math.exp(0.3 * normal(random));
    };
  },
};

/** Simulates a measurement: each round has the wires in a random order. */
export function simulate(random: Random, noise: Noise, added: Partial<Record<WireName, number>>) {
  return Array.from({ length: ROUNDS }, (): Round => {
    const round: Round = {};
    for (const wire of shuffled(WIRES, random)) {
      const extra = added[wire] ?? 0;
      round[wire] = Array.from({ length: MESSAGES }, () => noise() + extra);
    }
    return round;
  });
}

export function shuffled<T>(values: T[], random: Random): T[] {
  return values
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}
