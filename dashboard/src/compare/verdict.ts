// The verdict: which wires are slower than others, only if the difference is statistically significant.
// docs/decisions/0011-verdict.md has the reasons for the test and its thresholds.

import type { WireName } from '../client/index.ts';
import { median, quantile } from '../measure/quantile.ts';
import { WIRES } from '../text/wires.ts';
import { signedRankP } from './signed-rank.ts';

/** The latencies of each wire, in ms, while it ran alone; each round had a random order. */
export type Round = Partial<Record<WireName, number[]>>;

/** A finding that one wire is slower than another. */
export interface Slower {
  wire: WireName;
  than: WireName;
}

export interface Verdict {
  /** `too-few`: in so few rounds no difference, however large, would be statistically significant. */
  outcome: 'too-few' | 'no-difference' | 'difference';
  slower: Slower[];
  /** The median of each wire that was measured, in ms. */
  medians: Partial<Record<WireName, number>>;
  /** Differences in ms that are not larger do not count. */
  threshold: number;
  /** The rounds in which at least two wires were measured. */
  rounds: number;
}

/** The probability of any finding where there is no difference. */
const ERROR_RATE = 0.01;
/** A page cannot show a message before the next frame of the screen, at 60 frames a second. */
const FRAME_MS = 1000 / 60;
/** Differences up to this share of the lower median do not count. */
const THRESHOLD_SHARE = 0.25;
/** Messages that a round needs of a wire, so that one slow message is not its median. */
const MIN_MESSAGES = 3;

/** Judges the rounds; a difference up to `tabDelay` ms may be the page's own. */
export function verdict(rounds: Round[], tabDelay: number): Verdict {
  const samples = new Map(WIRES.map((wire) => [wire, latenciesOf(wire, rounds)]));
  const measured = WIRES.filter((wire) => samples.get(wire)?.length);
  const quantileOf = (wire: WireName, q: number) => quantile(samples.get(wire) ?? [], q) ?? 0;
  const medians = new Map(measured.map((wire) => [wire, quantileOf(wire, 0.5)]));
  const medianOf = (wire: WireName) => medians.get(wire) ?? 0;
  const thresholdOver = (low: number) => Math.max(FRAME_MS, THRESHOLD_SHARE * low, tabDelay);
  const pairs = measured.flatMap((wire) =>
    measured.filter((than) => than !== wire).map((than) => ({ wire, than })),
  );
  const errorRate = ERROR_RATE / Math.max(1, pairs.length);
  const slower = pairs.filter((pair) => {
    const { wire, than } = pair;
    const threshold = thresholdOver(medianOf(than));
    return (
      medianOf(wire) - medianOf(than) > threshold &&
      // The order has to be the same among the slow messages.
      quantileOf(wire, 0.9) > quantileOf(than, 0.9) &&
      signedRankP(differences(pair, rounds).map((one) => one - threshold)) <= errorRate
    );
  });
  const complete = Math.max(0, ...pairs.map((pair) => completeRounds(pair, rounds).length));
  return {
    outcome: outcomeOf(2 ** -complete <= errorRate, slower),
    slower,
    medians: Object.fromEntries(medians),
    threshold: thresholdOver(Math.min(...medians.values())),
    rounds: complete,
  };
}

function outcomeOf(enough: boolean, slower: Slower[]): Verdict['outcome'] {
  if (!enough) return 'too-few';
  return slower.length ? 'difference' : 'no-difference';
}

function latenciesOf(wire: WireName, rounds: Round[]): number[] {
  const all: number[] = [];
  for (const round of rounds) all.push(...(round[wire] ?? []));
  return all;
}

/** Returns the rounds that have enough messages of both wires. */
function completeRounds({ wire, than }: Slower, rounds: Round[]): Round[] {
  const isEnough = (latencies: number[] = []) => latencies.length >= MIN_MESSAGES;
  return rounds.filter((round) => isEnough(round[wire]) && isEnough(round[than]));
}

/** Returns by how much the median of a wire is above that of the other, in each complete round. */
function differences(pair: Slower, rounds: Round[]): number[] {
  const medianOf = (latencies: number[] = []) => median(latencies) ?? 0;
  return completeRounds(pair, rounds).map(
    (round) => medianOf(round[pair.wire]) - medianOf(round[pair.than]),
  );
}
