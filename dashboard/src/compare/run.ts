// Runs a comparison: publishes for a while, has the gateway cut each wire once, and reports.

import { channel } from '../context/context.ts';
import { gatewayUrl, request } from '../context/gateway.ts';
import { browserProtocol, requestInfoWithAdvice } from '../context/request-info.ts';
import type { Load, LoadGenerator } from '../measure/load-generator.ts';
import type { Meter } from '../measure/meter.ts';
import { t } from '../text/index.ts';
import { environment, type Report, wireReport } from './report.ts';

/** The share of the duration after which the wires are cut. */
const CUT_AT = 2 / 3;
/** Milliseconds for the wires to open. */
const OPEN_TIMEOUT_MS = 9000;
/** Milliseconds for the last messages to arrive. */
const DRAIN_TIMEOUT_MS = 5000;
/** Milliseconds between two reports of progress. */
const PROGRESS_MS = 200;
/** Milliseconds between two checks of a condition. */
const POLL_MS = 50;

/** A wire under comparison. */
export interface Subject {
  readonly meter: Meter;
  readonly state: string;
  /** Opens the wire again with figures at zero. */
  restart(): void;
  /** Has the gateway end the stream. */
  cut(): Promise<void>;
}

/** Runs a comparison; `onProgress` receives the finished share, from 0 to 1. */
export async function compare(
  subjects: Subject[],
  generator: LoadGenerator,
  load: Load,
  seconds: number,
  onProgress: (share: number) => void,
): Promise<Report> {
  const name = channel();
  generator.stop();
  await until(() => !generator.busy, DRAIN_TIMEOUT_MS);
  for (const subject of subjects) subject.restart();
  await until(() => subjects.every(({ state }) => state === 'live'), OPEN_TIMEOUT_MS);
  const began = performance.now();
  const share = () => (performance.now() - began) / (1000 * seconds);
  const stopped = () => !generator.running || channel() !== name;
  const progress = setInterval(() => onProgress(Math.min(1, share())), PROGRESS_MS);
  generator.start(load);
  try {
    await until(() => share() >= CUT_AT || stopped(), 1000 * seconds);
    if (!stopped()) await Promise.all(subjects.map((subject) => subject.cut()));
    await until(() => share() >= 1 || stopped(), 1000 * seconds);
  } finally {
    clearInterval(progress);
    generator.stop();
  }
  const duration = (performance.now() - began) / 1000;
  const published = () => generator.published - generator.publishedBefore;
  const delivered = () => subjects.every(({ meter }) => meter.own >= published());
  await until(() => !generator.busy && delivered(), DRAIN_TIMEOUT_MS);
  const server = await serverName();
  const info = await requestInfoWithAdvice(server);
  return {
    tricast: info.version,
    made: new Date().toISOString(),
    seconds: Math.round(duration),
    failure: generator.failure ?? (channel() === name ? null : t('another channel was chosen')),
    load,
    published: published(),
    environment: environment({
      browser: navigator.userAgent,
      browserHttp: browserProtocol(),
      server,
      url: gatewayUrl(),
      request: info,
    }),
    wires: subjects.map(({ meter, state }) => wireReport(meter, state, began)),
  };
}

/** Returns the Server field of the page's response; the gateway sends none, proxies do. */
async function serverName(): Promise<string | null> {
  const response = await request(gatewayUrl(), { method: 'HEAD' });
  return response?.headers.get('server') ?? null;
}

async function until(condition: () => boolean, timeout: number): Promise<void> {
  const end = performance.now() + timeout;
  while (!condition() && performance.now() < end) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
