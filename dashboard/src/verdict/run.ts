// The comparison: publishes for half a minute, has the gateway cut each wire once, and writes down what came of it.

import type { Driver, Load } from '../measure/driver.js';
import type { Panel } from '../page/panel.js';
import { base } from '../page/room.js';
import { seen } from '../page/seen.js';
import { protocol } from '../page/six.js';
import { environment, wireReport, type Report } from './report.js';

/** At this share of the time the wires are cut. */
const CUT_AT = 2 / 3;
/** Milliseconds that the last messages have to arrive. */
const REST = 2000;

/** Runs it, and tells how far it is, from 0 to 1. */
export async function compare(panels: Panel[], driver: Driver, load: Load, seconds: number, told: (share: number) => void): Promise<Report> {
  driver.stop();
  await until(() => !driver.busy, REST);
  for (const panel of panels) panel.begin();
  await until(() => panels.every(({ state }) => state === 'live'), 3000);
  const began = performance.now();
  const share = () => (performance.now() - began) / (1000 * seconds);
  const progress = setInterval(() => told(Math.min(1, share())), 200);
  driver.start(load);
  try {
    await until(() => share() >= CUT_AT || !driver.runs, 1000 * seconds);
    for (const panel of panels) await panel.cut();
    await until(() => share() >= 1 || !driver.runs, 1000 * seconds);
    driver.stop();
    await until(() => !driver.busy && panels.every(({ meter }) => meter.messages >= driver.published - driver.before), REST);
  } finally {
    clearInterval(progress);
    driver.stop();
  }
  const here = await seen();
  return {
    tricast: here.version,
    made: new Date().toISOString(),
    seconds,
    load,
    published: driver.published - driver.before,
    environment: environment(here, protocol(), await serverName()),
    wires: panels.map((panel) => wireReport(panel.meter, panel.state, panel.repeated, began)),
  };
}

/** What calls itself the server of this page; the gateway itself names none. */
async function serverName(): Promise<string | null> {
  const answer = await fetch(base(), { method: 'HEAD' }).catch(() => null);
  return answer?.headers.get('server') ?? null;
}

async function until(condition: () => boolean, longest: number): Promise<void> {
  const end = performance.now() + longest;
  while (!condition() && performance.now() < end) await new Promise((resolve) => { setTimeout(resolve, 50); });
}
