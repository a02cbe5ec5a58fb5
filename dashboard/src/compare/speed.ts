// The verdict in words. It never names a fastest wire: on one machine, and mostly on a network too,
// what differs is what delays a wire.

import type { WireName } from '../client/index.ts';
import { language, ms, number, t } from '../text/index.ts';
import { NAMES, WIRES } from '../text/wires.ts';
import type { Report } from './report.ts';
import type { Verdict } from './verdict.ts';

/** Returns a sentence for each wire that is slower than another, else one that says so. */
export function speed({ verdict, environment }: Report): string[] {
  if (verdict.outcome === 'too-few') {
    return [
      t('Too few rounds to tell the wires apart ({rounds}): let the comparison run longer.', {
        rounds: number(verdict.rounds),
      }),
    ];
  }
  if (verdict.outcome === 'no-difference') return [noDifference(verdict)];
  const slow = WIRES.filter((name) => verdict.slower.some(({ wire }) => wire === name));
  const sentences = slow.map((wire) => slower(wire, verdict));
  if (!environment.loopback) return sentences;
  return [
    ...sentences,
    t(
      'On one machine no network delays a wire: look for what does, such as a proxy or another program.',
    ),
  ];
}

function noDifference({ medians, threshold, rounds }: Verdict): string {
  const [low, high] = [Math.min, Math.max].map((extreme) => extreme(...Object.values(medians)));
  const values = {
    fast: ms(low ?? null),
    slow: ms(high ?? null),
    threshold: ms(threshold),
    rounds: number(rounds),
  };
  return (high ?? 0) - (low ?? 0) <= threshold
    ? t(
        'No wire is faster than the others: alone, their medians are between {fast} and {slow}, and differences up to {threshold} do not count.',
        values,
      )
    : t(
        'No wire is faster than the others: alone, their medians are between {fast} and {slow}, but over {rounds} rounds that can be chance.',
        values,
      );
}

function slower(name: WireName, { slower: findings, medians, rounds }: Verdict): string {
  const others = findings
    .filter(({ wire }) => wire === name)
    .map(({ than }) => `${NAMES[than]} (${ms(medians[than] ?? null)})`);
  return t('{slow} is slower than {others}: alone, its median over {rounds} rounds is {high}.', {
    slow: NAMES[name],
    others: new Intl.ListFormat(language).format(others),
    rounds: number(rounds),
    high: ms(medians[name] ?? null),
  });
}
