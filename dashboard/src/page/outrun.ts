// Outruns the history while the wires are away, and says what each wire then reports as lost.

import { until } from '../compare/wait.ts';
import { channelUrl, request } from '../context/gateway.ts';
import { requestInfo } from '../context/request-info.ts';
import type { LoadGenerator } from '../measure/load-generator.ts';
import { number, t } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { loadOfForm } from './load-form.ts';
import { setOffline } from './offline.ts';
import { isBefore, type Panel } from './panel.ts';

/** Messages in a burst, and the most bursts, to push the last position out of the history. */
const BURST = 500;
const MAX_BURSTS = 60;
/** The bursts to a log on a disk, which cannot be outrun so soon: more than the memory holds. */
const DISK_BURSTS = 4;
/** Milliseconds for the wires to come back and report their gaps. */
const TIMEOUT_MS = 20_000;

/** Outruns the history, and returns what became of it in words. */
export async function outrunHistory(panels: Panel[], generator: LoadGenerator): Promise<string> {
  const before = panels.map(({ meter }) => ({ gaps: meter.gaps, lost: meter.lost }));
  const { on_disk: isOnDisk } = await requestInfo();
  const isOutrun = await outrun(panels, generator, isOnDisk ? DISK_BURSTS : MAX_BURSTS);
  const hasGap = ({ meter }: Panel, n: number) => meter.gaps > (before[n]?.gaps ?? 0);
  if (!isOutrun) {
    const failure = generator.failure ?? t('The history could not be outrun.');
    return (isOnDisk && (await isComplete(panels, hasGap))) || failure;
  }
  const isReported = () => panels.every(hasGap);
  await until(isReported, TIMEOUT_MS);
  if (!isReported()) return t('Not every wire came back in time.');
  const losses = panels.map(
    ({ wire, meter }, n) => `${NAMES[wire]} ${number(meter.lost - (before[n]?.lost ?? 0))}`,
  );
  return t('The wires were away for longer than the history lasts. Reported as lost: {list}.', {
    list: losses.join(', '),
  });
}

/** Returns that nothing was lost, in words, once every wire has all of the channel without a gap. */
async function isComplete(
  panels: Panel[],
  hasGap: (panel: Panel, n: number) => boolean,
): Promise<string | null> {
  const url = channelUrl('history');
  url.searchParams.set('since', '1');
  const response = await request(url);
  if (!response?.ok) return null;
  const { messages } = (await response.json()) as { messages: { id: string }[] };
  const newest = messages[0]?.id;
  if (!newest) return null;
  const hasAll = () => panels.every(({ last }) => last !== null && !isBefore(last, newest));
  await until(hasAll, TIMEOUT_MS);
  if (!hasAll()) return t('Not every wire came back in time.');
  if (panels.some(hasGap)) return null;
  return t('The log is on disk: the wires were away for {count} messages, and nothing was lost.', {
    count: number(BURST * DISK_BURSTS),
  });
}

/** Publishes while the wires are offline; returns whether their position has left the history. */
async function outrun(panels: Panel[], generator: LoadGenerator, bursts: number): Promise<boolean> {
  const last = panels.map((panel) => panel.last).find(Boolean) ?? null;
  setOffline(panels, true);
  try {
    return last !== null && (await publishPast(last, generator, bursts));
  } finally {
    setOffline(panels, false);
  }
}

/** Publishes until the history of the channel begins after `last`; returns whether it does. */
async function publishPast(
  last: string,
  generator: LoadGenerator,
  bursts: number,
): Promise<boolean> {
  const url = channelUrl('history');
  url.searchParams.set('last_event_id', last);
  for (let n = 0; n < bursts; n += 1) {
    const response = await request(url);
    if (!response?.ok) return false;
    const { gap } = (await response.json()) as { gap: object | null };
    if (gap) return true;
    if (!(await generator.burst(BURST, loadOfForm()))) return false;
  }
  return false;
}
