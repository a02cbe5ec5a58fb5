// The latencies of the three wires: over time, and how often each came.

import uPlot from 'uplot';
import type { WireName } from '../client/index.js';
import type { Meter } from '../measure/meter.js';
import { SLOT_MS } from '../measure/timeline.js';
import { ms, number, t } from '../text/index.js';
import { NAMES, WIRES } from '../text/wires.js';
import { byId } from './dom.js';

/** Milliseconds between two drawings. */
const PAUSE = 500;
/** Slots that the time line shows: a minute. */
const SHOWN = 60_000 / SLOT_MS;

/** Draws for as long as the page lives. */
export function setUpCharts(meters: () => Meter[]): void {
  const time = chart('timeline', { x: (second) => `${number(second)} s`, y: ms, distr: 1 });
  const spread = chart('histogram', { x: ms, y: (share) => `${number(share, 1)} %`, distr: 3 });
  let drawn = '';
  setInterval(() => {
    if (document.hidden) return;
    const now = performance.now();
    const all = meters();
    const shown = timelines(all, now);
    // Nothing moves where there is nothing, and nothing new.
    const state = String(all.map(({ latency }) => latency.count));
    const empty = shown.slice(1).every((column) => column.every((median) => median === null));
    if (empty && state === drawn) return;
    drawn = state;
    time.setData(shown);
    spread.setData(histograms(all));
  }, PAUSE);
}

type Rows = [number[], ...(number | null)[][]];

/** Seconds before now, and each wire's median then. */
function timelines(meters: Meter[], now: number): Rows {
  const newest = Math.floor(now / SLOT_MS);
  const slots = Array.from({ length: SHOWN }, (_, n) => newest - SHOWN + n);
  const median = (meter: Meter) => {
    const known = new Map(meter.timeline.upTo(now).map(({ slot, median }) => [slot, median]));
    return slots.map((slot) => known.get(slot) ?? null);
  };
  return [slots.map((slot) => ((slot - newest) * SLOT_MS) / 1000), ...meters.map(median)];
}

/** Latencies, and the share of each wire's messages that took so long, in percent. */
function histograms(meters: Meter[]): Rows {
  const shares = meters.map(({ latency }) => latency.shares());
  const longest = shares.reduce((a, b) => (a.length >= b.length ? a : b));
  const begin = Math.max(
    0,
    Math.min(
      ...shares.map((own) => own.findIndex(([, share]) => share > 0)).filter((at) => at >= 0),
    ) - 2,
  );
  const bounds = longest.map(([bound]) => bound).slice(Number.isFinite(begin) ? begin : 0);
  const column = (own: [number, number][]) =>
    longest.map((_, at) => 100 * (own[at]?.[1] ?? 0)).slice(Number.isFinite(begin) ? begin : 0);
  return [bounds, ...shares.map(column)];
}

interface Axes {
  x: (value: number) => string;
  y: (value: number) => string;
  distr: 1 | 3;
}

function chart(id: string, { x, y, distr }: Axes): uPlot {
  const root = byId(id);
  const colour = (name: string) => () => getComputedStyle(root).getPropertyValue(name);
  const axis = (values: (value: number) => string): uPlot.Axis => ({
    stroke: colour('--soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
    font: '12px system-ui',
    size: 66,
    values: (_, splits) => splits.map((split) => (split === null ? '' : values(split))),
  });
  const value = (spell: (value: number) => string) => (_: uPlot, at: number | null) =>
    at === null ? '–' : spell(at);
  const wire = (name: WireName): uPlot.Series => ({
    label: NAMES[name],
    stroke: colour(`--${name}`),
    width: 2,
    spanGaps: false,
    points: { show: distr === 1, size: 4 },
    value: value(y),
  });
  const plot = new uPlot(
    {
      width: 300,
      height: 190,
      scales: {
        x: { time: false, distr },
        y: {
          range: (_, low, high) =>
            distr === 1
              ? [0, Math.max(1, high * 1.1)]
              : [Math.min(0, low), Math.max(5, high * 1.1)],
        },
      },
      axes: [{ ...axis(x), size: 30, space: 70 }, axis(y)],
      series: [
        { label: distr === 1 ? t('time') : t('latency'), value: value(x) },
        ...WIRES.map(wire),
      ],
      cursor: { drag: { x: false, y: false } },
    },
    [[], [], [], []],
    root,
  );
  root.setAttribute('role', 'img');
  root.setAttribute('aria-label', distr === 1 ? t('Latency over time') : t('Latency distribution'));
  new ResizeObserver(([entry]) => {
    if (entry)
      plot.setSize({ width: Math.max(200, Math.floor(entry.contentRect.width)), height: 190 });
  }).observe(root);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot.redraw());
  return plot;
}
