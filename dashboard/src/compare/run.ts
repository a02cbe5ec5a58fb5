// Runs a comparison: each wire alone, then all together with a cut of each, and the report.

import type { WireName } from '../client/index.ts';
import { channel } from '../context/context.ts';
import { gatewayUrl, request } from '../context/gateway.ts';
import { browserProtocol, requestInfoWithAdvice } from '../context/request-info.ts';
import type { Load, LoadGenerator } from '../measure/load-generator.ts';
import type { Meter } from '../measure/meter.ts';
import { TabProbe } from '../measure/tab-probe.ts';
import { number, t } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { type AloneOptions, type AloneResult, measureAlone } from './alone.ts';
import { environment, type Report, timesOf, wireReport } from './report.ts';
import { verdict } from './verdict.ts';
import { until } from './wait.ts';

/** The share of the duration in which each wire is measured by itself. */
const ALONE_SHARE = 0.6;
/** The share of the time together after which the wires are cut. */
const CUT_AT = 2 / 3;
/** Milliseconds for the wires to open. */
const OPEN_TIMEOUT_MS = 9000;
/** Milliseconds for the last messages to arrive. */
const DRAIN_TIMEOUT_MS = 5000;
/** Milliseconds between two reports of progress. */
const PROGRESS_MS = 200;

/** A wire under comparison. */
export interface Subject {
  readonly meter: Meter;
  readonly state: string;
  /** Opens the wire again with figures at zero. */
  restart(): void;
  /** Closes the wire and shows a state. */
  stop(state: string): void;
  /** Has the gateway end the stream. */
  cut(): Promise<void>;
}

export interface CompareOptions {
  subjects: Subject[];
  generator: LoadGenerator;
  load: Load;
  seconds: number;
  /** Ends the comparison early. */
  signal: AbortSignal;
  /** Receives the finished share, from 0 to 1, and in words what runs and for how long. */
  onProgress: (share: number, stage: string) => void;
}

/** Runs a comparison. */
export async function compare(options: CompareOptions): Promise<Report> {
  const { subjects, generator, load, seconds, signal, onProgress } = options;
  const name = channel();
  const isOver = () => signal.aborted || channel() !== name;
  generator.stop();
  await until(() => !generator.busy, DRAIN_TIMEOUT_MS);
  const began = performance.now();
  let stage = '';
  const progress = setInterval(() => {
    const elapsed = (performance.now() - began) / 1000;
    const left = Math.max(0, Math.ceil(seconds - elapsed));
    const words = t('{stage}; {seconds} s left', { stage, seconds: number(left) });
    onProgress(Math.min(1, elapsed / seconds), stage && words);
  }, PROGRESS_MS);
  const onStep = (wire: WireName | null, count: number) => {
    const round = number(count);
    stage = wire
      ? t('{wire} alone, round {round}', { wire: NAMES[wire], round })
      : t('no stream open, round {round}', { round });
  };
  const probes = { alone: new TabProbe(), together: new TabProbe() };
  try {
    const alone = await runAlone({ ...options, onStep }, probes.alone, isOver);
    stage = t('all together');
    const together = await runTogether(options, probes.together, isOver);
    const info = await observe();
    const tab = timesOf(probes.alone.delays);
    return {
      ...info,
      made: new Date().toISOString(),
      seconds: Math.round((performance.now() - began) / 1000),
      failure: together.failure ?? (channel() === name ? null : t('another channel was chosen')),
      load,
      published: together.published,
      rounds: alone.rounds,
      verdict: verdict(alone.rounds, tab.p90 ?? 0),
      request: timesOf(alone.requests),
      tab: { alone: tab, together: timesOf(probes.together.delays) },
      wires: subjects.map(({ meter, state }) => {
        const latencies = alone.rounds.flatMap((round) => round[meter.wire] ?? []);
        return wireReport({ meter, state, alone: latencies, began: together.began });
      }),
    };
  } finally {
    clearInterval(progress);
  }
}

/** Measures each wire while the others are closed. */
async function runAlone(
  { subjects, generator, load, seconds, onStep }: CompareOptions & Pick<AloneOptions, 'onStep'>,
  probe: TabProbe,
  isOver: () => boolean,
): Promise<AloneResult> {
  for (const subject of subjects) subject.stop('disconnected');
  const end = performance.now() + 1000 * seconds * ALONE_SHARE;
  probe.start();
  try {
    return await measureAlone({
      wires: subjects.map(({ meter }) => meter.wire),
      generator,
      load,
      onStep,
      isOver: () => isOver() || performance.now() >= end,
    });
  } finally {
    probe.stop();
  }
}

interface Together {
  began: number;
  /** The messages that the gateway has accepted. */
  published: number;
  /** The reason for an early end, if any. */
  failure: string | null;
}

/** Publishes while all wires are open, and has the gateway cut each of them once. */
async function runTogether(
  { subjects, generator, load, seconds }: CompareOptions,
  probe: TabProbe,
  isOver: () => boolean,
): Promise<Together> {
  for (const subject of subjects) subject.restart();
  await until(() => subjects.every(({ state }) => state === 'live') || isOver(), OPEN_TIMEOUT_MS);
  const began = performance.now();
  const before = generator.published;
  const published = () => generator.published - before;
  const duration = 1000 * seconds * (1 - ALONE_SHARE);
  const share = () => (performance.now() - began) / duration;
  const stopped = () => !generator.running || isOver();
  if (isOver()) return { began, published: 0, failure: t('it was stopped') };
  probe.start();
  generator.start(load);
  try {
    await until(() => share() >= CUT_AT || stopped(), duration);
    if (!stopped()) await Promise.all(subjects.map((subject) => subject.cut()));
    await until(() => share() >= 1 || stopped(), duration);
  } finally {
    generator.stop();
    probe.stop();
  }
  const delivered = () => subjects.every(({ meter }) => meter.own >= published());
  await until(() => !generator.busy && delivered(), DRAIN_TIMEOUT_MS);
  return { began, published: published(), failure: generator.failure };
}

/** Returns the gateway's version and the path to it. */
async function observe(): Promise<Pick<Report, 'tricast' | 'environment'>> {
  const server = await serverName();
  const info = await requestInfoWithAdvice(server);
  return {
    tricast: info.version,
    environment: environment({
      browser: navigator.userAgent,
      browserHttp: browserProtocol(),
      server,
      url: gatewayUrl(),
      request: info,
    }),
  };
}

/** Returns the Server field of the page's response; the gateway sends none, proxies do. */
async function serverName(): Promise<string | null> {
  const response = await request(gatewayUrl(), { method: 'HEAD' });
  return response?.headers.get('server') ?? null;
}
