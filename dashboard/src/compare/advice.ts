// What the figures of a comparison mean for whoever has to choose.

import type { WireName } from '../client/index.js';
import { ms, number, type Text, t } from '../text/index.js';
import { NAMES } from '../text/wires.js';
import type { Report, WireReport } from './report.js';

/** Medians closer than this, in ms or by this share of the lower, are no reason to choose. */
const ALIKE_MS = 2;
const ALIKE_SHARE = 0.25;

/** A wire that is so much later than another, in ms, is held back by somebody. */
const HELD_MS = 100;

const name = ({ wire }: WireReport) => NAMES[wire];

/** One sentence each. */
export function advice({ wires, published, environment, failure }: Report): string[] {
  const said = failure ? [t('The comparison ended early: {reason}', { reason: failure })] : [];
  if (!published) return [...said, t('Nothing was published, so there is nothing to compare.')];
  const works = wires.filter(({ own }) => own > 0);
  said.push(
    ...wires
      .filter((one) => !works.includes(one))
      .map((one) =>
        t(
          one.wire === 'ws'
            ? 'WebSocket did not get through: a proxy in between must allow the upgrade.'
            : '{wire} did not get through: a proxy in between holds it back, most likely in a buffer.',
          { wire: name(one) },
        ),
      ),
  );
  if (works.length > 1) said.push(...speed(works), around(works));
  for (const one of works) said.push(whole(one, published));
  said.push(
    t(
      environment.proxy
        ? 'There is a proxy between this browser and the gateway; the figures include its effect on each wire.'
        : 'No proxy is visible between this browser and the gateway: measure again from where your users are.',
    ),
  );
  for (const { wire } of works) said.push(t(GOOD_FOR[wire]));
  return [...said, ...remedies({ wires, environment }, works)];
}

/** What to change, in the words of `tricast doctor`. */
function remedies(
  { wires, environment }: Pick<Report, 'wires' | 'environment'>,
  works: WireReport[],
): string[] {
  const fails = (one: WireReport) => !works.includes(one);
  const soonest = Math.min(...works.map(({ latency }) => latency.p50 ?? 0));
  const symptoms = [
    ['no-upgrade', wires.some((one) => one.wire === 'ws' && fails(one))],
    ['buffered', wires.some((one) => one.wire !== 'ws' && fails(one))],
    ['held-back', works.some(({ latency }) => (latency.p50 ?? 0) > soonest + HELD_MS)],
    ['http-1.0', environment.gatewayHttp === 'HTTP/1.0'],
    ['url', environment.proxy && environment.misplaced],
  ] as const;
  return symptoms.flatMap(([symptom, shows]) =>
    shows && environment.advice[symptom] ? [environment.advice[symptom]] : [],
  );
}

/** What each wire is to be taken for, where it works. */
const GOOD_FOR: Record<WireName, Text> = {
  sse: 'Use SSE for pages that only listen: the browser reconnects by itself.',
  chunked: 'Use Chunked for programs, and where a reader must be able to slow the stream down.',
  ws: 'Use WebSocket for pages that also send.',
};

function around(works: WireReport[]): string {
  const [least, most] = extremes(works, (one) => one.around ?? 0);
  return t('{least} adds {few} bytes to each message, {most} adds {many}.', {
    least: name(least),
    most: name(most),
    few: number(least.around ?? 0),
    many: number(most.around ?? 0),
  });
}

function speed(works: WireReport[]): string[] {
  const median = ({ latency }: WireReport) => latency.p50 ?? 0;
  const [fast, slow] = extremes(works, median);
  const [a, b] = [median(fast), median(slow)];
  if (b - a <= Math.max(ALIKE_MS, ALIKE_SHARE * a)) {
    return [
      t('No wire is faster than the others: the medians are between {fast} and {slow}.', {
        fast: ms(a),
        slow: ms(b),
      }),
    ];
  }
  return [
    t('{fast} is the fastest with a median of {low}; {slow} took {high}.', {
      fast: name(fast),
      low: ms(a),
      slow: name(slow),
      high: ms(b),
    }),
  ];
}

/** Whether everything has come, and what a cut did. */
function whole(one: WireReport, published: number): string {
  const values = {
    wire: name(one),
    published: number(published),
    away: ms(one.away),
    replayed: number(one.replayed),
    missing: number(Math.max(0, published - one.own)),
  };
  if (one.own < published)
    return t('{wire} delivered all but {missing} of {published} messages.', values);
  if (one.disordered || one.repeated)
    return t(
      '{wire} delivered all {published} messages, but some out of order or more than once.',
      values,
    );
  if (one.away === null) return t('{wire} delivered all {published} messages, in order.', values);
  if (!one.replayed)
    return t(
      '{wire} delivered all {published} messages, in order; cut once, it reconnected after {away} and had missed nothing.',
      values,
    );
  return t(
    '{wire} delivered all {published} messages, in order; cut once, it reconnected after {away} and received the {replayed} messages that it had missed.',
    values,
  );
}

function extremes(wires: WireReport[], of: (one: WireReport) => number): [WireReport, WireReport] {
  const sorted = [...wires].sort((a, b) => of(a) - of(b));
  return [sorted[0]!, sorted.at(-1)!];
}
