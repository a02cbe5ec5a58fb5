// Conclusions from a comparison, for readers who have to choose a wire.

import type { WireName } from '../client/index.ts';
import { ms, number, type Text, t } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import type { Report, WireReport } from './report.ts';
import { speed } from './speed.ts';
import type { Verdict } from './verdict.ts';

/** A wire that is slower, and whose median is so many ms above another's, is held back by a proxy. */
const HELD_BACK_MS = 100;

const nameOf = ({ wire }: WireReport) => NAMES[wire];
const overheadOf = ({ around }: WireReport) => around ?? 0;

/** Returns one sentence for each conclusion: the headline first, what limits them all last. */
export function advice(report: Report): string[] {
  const { wires, published, failure } = report;
  const early = failure ? [t('The comparison ended early: {reason}', { reason: failure })] : [];
  if (!published) {
    return [...early, t('Nothing was published, so there is nothing to compare.')];
  }
  const working = wires.filter(({ own }) => own > 0);
  const failing = wires.filter((wire) => !working.includes(wire));
  return [
    ...early,
    ...failing.map(blocked),
    ...(working.length > 1 ? [...speed(report), overhead(working)] : []),
    ...working.map((wire) => completeness(wire, published)),
    ...working.map(({ wire }) => t(USE_FOR[wire])),
    ...remedies(report, working, failing),
    path(report),
  ];
}

/** What each wire is best for, provided that it works. */
const USE_FOR: Record<WireName, Text> = {
  sse: 'Use SSE for pages that only listen: the browser reconnects by itself.',
  chunked: 'Use Chunked for programs, and where a reader must be able to slow the stream down.',
  ws: 'Use WebSocket for pages that also send.',
};

/** The causes cannot be told apart from a page, so they stand in the order in which to check them. */
function blocked(wire: WireReport): string {
  return wire.wire === 'ws'
    ? t(
        'WebSocket did not get through. Check that each proxy passes the upgrade on, then that the gateway accepts streams from this page.',
      )
    : t(
        '{wire} did not get through. Check that no proxy buffers the response, then that the browser has a free connection to this host.',
        { wire: nameOf(wire) },
      );
}

/** Says what the figures include besides the wires. */
function path({ environment: { proxy, loopback } }: Report): string {
  if (proxy) {
    return t(
      'There is a proxy between this browser and the gateway; the figures include its effect on each wire.',
    );
  }
  return loopback
    ? t(
        'The browser and the gateway run on one machine, so the figures say nothing about a network: measure again from where your users are.',
      )
    : t(
        'No proxy is visible between this browser and the gateway: measure again from where your users are.',
      );
}

function overhead(wires: WireReport[]): string {
  const list = [...wires]
    .sort((a, b) => overheadOf(a) - overheadOf(b))
    .map((wire) => `${nameOf(wire)} ${number(overheadOf(wire))}`);
  return t('Bytes that each wire adds to a message: {list}.', { list: list.join(', ') });
}

/** Says whether all messages arrived, and what the cut caused. */
function completeness(wire: WireReport, published: number): string {
  const values = {
    wire: nameOf(wire),
    published: number(published),
    away: ms(wire.away),
    replayed: number(wire.replayed),
    missing: number(Math.max(0, published - wire.own)),
  };
  return t(completenessText(wire, published), values);
}

function completenessText(wire: WireReport, published: number): Text {
  if (wire.own < published) {
    return '{wire} delivered all but {missing} of {published} messages.';
  }
  if (wire.disordered || wire.repeated) {
    return '{wire} delivered all {published} messages, but some out of order or more than once.';
  }
  if (wire.away === null) return '{wire} delivered all {published} messages, in order.';
  return wire.replayed
    ? '{wire} delivered all {published} messages, in order; cut once, it reconnected after {away} and received what it had missed ({replayed}).'
    : '{wire} delivered all {published} messages, in order; cut once, it reconnected after {away} and had missed nothing.';
}

/** Returns advice on the proxies in between, in the words of `tricast doctor`. */
function remedies(report: Report, working: WireReport[], failing: WireReport[]): string[] {
  const { environment, verdict } = report;
  const symptoms = {
    'no-upgrade': failing.some(({ wire }) => wire === 'ws'),
    'buffered': failing.some(({ wire }) => wire !== 'ws'),
    'held-back': working.some(({ wire }) => isHeldBack(wire, verdict)),
    'http-1.0': environment.gatewayHttp === 'HTTP/1.0',
    'url': environment.proxy && environment.misplaced,
  };
  return Object.entries(symptoms).flatMap(([symptom, present]) => {
    const remedy = environment.advice[symptom];
    return present && remedy ? [remedy] : [];
  });
}

function isHeldBack(name: WireName, { slower, medians }: Verdict): boolean {
  const medianOf = (wire: WireName) => medians[wire] ?? 0;
  return slower.some(
    ({ wire, than }) => wire === name && medianOf(wire) > medianOf(than) + HELD_BACK_MS,
  );
}
