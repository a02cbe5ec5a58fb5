// What the rows of the feature table show when they are tried: on the page's own streams, with the
// result beside the row.

import type { WireName } from '../client/index.ts';
import type { LoadGenerator } from '../measure/load-generator.ts';
import { ms, number, t } from '../text/index.ts';
import { NAMES, WIRES } from '../text/wires.ts';
import { openStreams } from './connection-limit.ts';
import { loadOfForm } from './load-form.ts';
import { setOffline } from './offline.ts';
import { outrunHistory } from './outrun.ts';
import type { Panel } from './panel.ts';

export interface Subjects {
  panels: Record<WireName, Panel>;
  generator: LoadGenerator;
}

/** Shows a feature and writes what happened into `outcome`. */
export type Demonstration = (subjects: Subjects, outcome: HTMLElement) => void | Promise<void>;

/** Milliseconds to wait for what a demonstration causes, and between two looks. */
const TIMEOUT_MS = 20_000;
const POLL_MS = 50;
/** Messages to publish while a wire is away or does not read. */
const MISSED = 5;

async function direction({ panels }: Subjects, outcome: HTMLElement) {
  const before = panels.ws.meter.messages;
  const sent = panels.ws.send({ data: t('sent over the WebSocket') });
  const arrived = sent && (await until(() => panels.ws.meter.messages > before));
  outcome.textContent = arrived
    ? t('The WebSocket has sent a message: it is the newest in all three cards.')
    : t('The WebSocket is not connected.');
}

async function reconnect({ panels }: Subjects, outcome: HTMLElement) {
  const all = Object.values(panels);
  const before = all.map(({ meter }) => meter.reconnects);
  await Promise.all(all.map((panel) => panel.cut()));
  const back = await until(() => all.every(({ meter }, n) => meter.reconnects > (before[n] ?? 0)));
  outcome.textContent = back
    ? t('The gateway has cut all three. Back after: {list}.', {
        list: perWire(panels, ({ meter }) => ms(meter.away)),
      })
    : t('Not every wire came back in time.');
}

async function resume({ panels, generator }: Subjects, outcome: HTMLElement) {
  const all = Object.values(panels);
  const before = all.map(({ meter }) => meter.replayed);
  setOffline(all, true);
  const published = await generator.burst(MISSED, loadOfForm());
  setOffline(all, false);
  const replayed = await until(() =>
    all.every(({ meter }, n) => meter.replayed >= (before[n] ?? 0) + MISSED),
  );
  outcome.textContent =
    published && replayed
      ? t(
          '{count} messages were published while all wires were away; each wire received them when it came back.',
          {
            count: MISSED,
          },
        )
      : failure(generator);
}

async function lose({ panels, generator }: Subjects, outcome: HTMLElement) {
  outcome.textContent = await outrunHistory(Object.values(panels), generator);
}

function overhead({ panels }: Subjects, outcome: HTMLElement) {
  const measured = Object.values(panels).every(({ meter }) => meter.messages > 0);
  outcome.textContent = measured
    ? t('Measured on this page: {list} bytes.', {
        list: perWire(panels, ({ meter }) => number(meter.around / meter.messages, 1)),
      })
    : t('Publish something first.');
}

async function limit(_: Subjects, outcome: HTMLElement) {
  await openStreams(outcome);
}

async function stall({ panels, generator }: Subjects, outcome: HTMLElement) {
  const { chunked, ws } = panels;
  const [before, others] = [chunked.meter.messages, ws.meter.messages];
  chunked.setStalled(true);
  // A read that was pending when the page stopped still completes, with this message or with a heartbeat.
  await generator.burst(1, loadOfForm());
  await until(() => chunked.isHeld && ws.meter.messages > others);
  const published = await generator.burst(MISSED, loadOfForm());
  await until(() => ws.meter.messages > others + MISSED);
  const waited = before + 1 + MISSED - chunked.meter.messages;
  chunked.setStalled(false);
  const caughtUp = await until(() => chunked.meter.messages > before + MISSED);
  outcome.textContent =
    published && caughtUp
      ? t(
          'While Chunked did not read, {count} messages waited in the network and in the gateway; then it read on and received them.',
          {
            count: Math.max(0, waited),
          },
        )
      : failure(generator);
}

export const DEMONSTRATIONS = { direction, reconnect, resume, lose, overhead, limit, stall };

function perWire(
  panels: Record<WireName, Panel>,
  value: (panel: Panel, index: number) => string,
): string {
  return WIRES.map((wire, n) => `${NAMES[wire]} ${value(panels[wire], n)}`).join(', ');
}

/** Returns why messages could not be published, or did not arrive. */
function failure(generator: LoadGenerator): string {
  return generator.failure ?? t('Not every wire came back in time.');
}

/** Waits for a condition; returns whether it came true in time. */
async function until(condition: () => boolean): Promise<boolean> {
  const end = performance.now() + TIMEOUT_MS;
  while (!condition() && performance.now() < end) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
  return condition();
}
