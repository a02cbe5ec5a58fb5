// The latencies of the three wires as charts: over time, and their distribution.

import uPlot from 'uplot';
import type { WireName } from '../client/index.ts';
import type { Meter } from '../measure/meter.ts';
import { SLOT_MS } from '../measure/timeline.ts';
import { ms, number, t } from '../text/index.ts';
import { NAMES, WIRES } from '../text/wires.ts';
import { byId } from './dom.ts';

/** Milliseconds between two updates. */
const UPDATE_MS = 500;
/** Slots in the chart over time: a minute. */
const SLOTS = 60_000 / SLOT_MS;
/** Empty buckets to show before the first one that is filled. */
const MARGIN = 2;
/** Latencies of each wire below which a distribution would be noise. */
const MIN_LATENCIES = 50;
const HEIGHT = 190;
const MIN_WIDTH = 200;

/** The x values, then the y values of each wire; `null` leaves a gap. */
type Columns = [number[], ...(number | null)[][]];

/** Draws both charts for as long as the page lives. */
export function setUpCharts(getMeters: () => Meter[]): void {
  const timeline = createChart('timeline', {
    title: t('Latency over time'),
    x: { label: t('time'), format: (second) => `${number(second)} s`, scale: 'linear' },
    y: { format: ms, range: (_low, high) => [0, Math.max(1, high * 1.1)] },
    points: true,
  });
  const histogram = createChart('histogram', {
    title: t('Latency distribution'),
    x: { label: t('latency'), format: ms, scale: 'log' },
    y: {
      format: (share) => `${number(share, 1)} %`,
      range: (low, high) => [Math.min(0, low), Math.max(5, high * 1.1)],
    },
    points: false,
  });
  let drawnCounts = '';
  setInterval(() => {
    if (document.hidden) return;
    const meters = getMeters();
    const columns = timelineColumns(meters, performance.now());
    // An empty chart over time does not move, and without new latencies nothing changes.
    const counts = String(meters.map(({ latency }) => latency.count));
    const [, ...medians] = columns;
    const empty = medians.every((column) => column.every((median) => median === null));
    if (empty && counts === drawnCounts) return;
    drawnCounts = counts;
    // Empty charts take no room.
    byId('charts').hidden &&= empty;
    const counted = Math.min(...meters.map(({ latency }) => latency.count));
    byId('distribution').hidden = counted < MIN_LATENCIES;
    timeline.setData(columns);
    histogram.setData(histogramColumns(meters));
  }, UPDATE_MS);
}

/** Returns the seconds before now and the median of each wire at that time. */
function timelineColumns(meters: Meter[], now: number): Columns {
  const newest = Math.floor(now / SLOT_MS);
  const slots = Array.from({ length: SLOTS }, (_, n) => newest - SLOTS + n);
  const medians = meters.map((meter) => {
    const bySlot = new Map(meter.timeline.upTo(now).map(({ slot, median }) => [slot, median]));
    return slots.map((slot) => bySlot.get(slot) ?? null);
  });
  return [slots.map((slot) => ((slot - newest) * SLOT_MS) / 1000), ...medians];
}

/** Returns the bounds of the buckets and the share of each wire's messages in them, in percent. */
function histogramColumns(meters: Meter[]): Columns {
  const histograms = meters.map(({ latency }) => latency.shares());
  const longest = histograms.reduce((a, b) => (a.length >= b.length ? a : b));
  const firsts = histograms
    .map((shares) => shares.findIndex(([, share]) => share > 0))
    .filter((first) => first >= 0);
  const start = firsts.length ? Math.max(0, Math.min(...firsts) - MARGIN) : 0;
  const bounds = longest.slice(start).map(([bound]) => bound);
  const columns = histograms.map((shares) =>
    bounds.map((_, n) => 100 * (shares[start + n]?.[1] ?? 0)),
  );
  return [bounds, ...columns];
}

interface ChartOptions {
  title: string;
  x: { label: string; format: (value: number) => string; scale: 'linear' | 'log' };
  y: { format: (value: number) => string; range: (low: number, high: number) => [number, number] };
  points: boolean;
}

function createChart(id: string, { title, x, y, points }: ChartOptions): uPlot {
  const root = byId(id);
  const colour = (name: string) => () => getComputedStyle(root).getPropertyValue(name);
  const axis = (format: (value: number) => string): uPlot.Axis => ({
    stroke: colour('--soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
    font: '12px system-ui',
    size: 66,
    values: (_, splits) => splits.map((split) => (split === null ? '' : format(split))),
  });
  const series = (name: WireName): uPlot.Series => ({
    label: NAMES[name],
    stroke: colour(`--${name}`),
    width: 2,
    spanGaps: false,
    points: { show: points, size: 4 },
    value: formatOrDash(y.format),
  });
  const chart = new uPlot(
    {
      width: 300,
      height: HEIGHT,
      scales: {
        x: { time: false, distr: x.scale === 'log' ? 3 : 1 },
        y: { range: (_, low, high) => y.range(low, high) },
      },
      axes: [{ ...axis(x.format), size: 30, space: 70 }, axis(y.format)],
      series: [{ label: x.label, value: formatOrDash(x.format) }, ...WIRES.map(series)],
      cursor: { drag: { x: false, y: false } },
    },
    [[], [], [], []],
    root,
  );
  root.setAttribute('role', 'img');
  root.setAttribute('aria-label', title);
  new ResizeObserver(([entry]) => {
    if (!entry) return;
    chart.setSize({
      width: Math.max(MIN_WIDTH, Math.floor(entry.contentRect.width)),
      height: HEIGHT,
    });
  }).observe(root);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart.redraw());
  return chart;
}

function formatOrDash(format: (value: number) => string) {
  return (_: uPlot, value: number | null, _series: number, index?: number | null) => {
    if (value !== null) return format(value);
    // Without a point under the pointer there is nothing to name.
    return index === null || index === undefined ? '' : '–';
  };
}
