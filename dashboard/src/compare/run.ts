// The comparison: publishes for half a minute, has the gateway cut each wire once, and writes down what came of it.

import { ask, base, channel } from '../context/context.js';
import { advised, protocol } from '../context/request-info.js';
import type { Load, LoadGenerator } from '../measure/load-generator.js';
import type { Panel } from '../page/panel.js';
import { t } from '../text/index.js';
import { environment, type Report, wireReport } from './report.js';

/** At this share of the time the wires are cut. */
const CUT_AT = 2 / 3;
/** Milliseconds that a wire has to open, and that the last messages have to arrive. */
const OPENING = 9000;
const REST = 5000;

/** Runs it, and tells how far it is, from 0 to 1. */
export async function compare(
  panels: Panel[],
  generator: LoadGenerator,
  load: Load,
  seconds: number,
  told: (share: number) => void,
): Promise<Report> {
  const name = channel();
  generator.stop();
  await until(() => !generator.busy, REST);
  for (const panel of panels) panel.begin();
  await until(() => panels.every(({ state }) => state === 'live'), OPENING);
  const began = performance.now();
  const share = () => (performance.now() - began) / (1000 * seconds);
  const over = () => !generator.running || channel() !== name;
  const progress = setInterval(() => told(Math.min(1, share())), 200);
  generator.start(load);
  try {
    await until(() => share() >= CUT_AT || over(), 1000 * seconds);
    if (!over()) await Promise.all(panels.map((panel) => panel.cut()));
    await until(() => share() >= 1 || over(), 1000 * seconds);
  } finally {
    clearInterval(progress);
    generator.stop();
  }
  const ran = (performance.now() - began) / 1000;
  const published = () => generator.published - generator.publishedBefore;
  await until(() => !generator.busy && panels.every(({ meter }) => meter.own >= published()), REST);
  const server = await serverName();
  const here = await advised(server);
  return {
    tricast: here.version,
    made: new Date().toISOString(),
    seconds: Math.round(ran),
    failure: generator.failure ?? (channel() === name ? null : t('another channel was chosen')),
    load,
    published: published(),
    environment: environment(here, protocol(), server),
    wires: panels.map((panel) => wireReport(panel.meter, panel.state, began)),
  };
}

/** What calls itself the server of this page; the gateway itself names none. */
async function serverName(): Promise<string | null> {
  const answer = await ask(base(), { method: 'HEAD' });
  return answer?.headers.get('server') ?? null;
}

async function until(condition: () => boolean, longest: number): Promise<void> {
  const end = performance.now() + longest;
  while (!condition() && performance.now() < end)
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
}
