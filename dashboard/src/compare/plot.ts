// Line plots as SVG text, for a page without scripts.

import { linearTicks, logTicks } from './ticks.ts';

export interface Series {
  name: string;
  /** The class of the line and of its name; it gives them their colour. */
  kind: string;
  /** The points from left to right. */
  points: Point[];
}

type Point = [x: number, y: number];

export interface Axis {
  title: string;
  format: (value: number) => string;
  scale?: 'linear' | 'log';
}

const WIDTH = 560;
const HEIGHT = 260;
const LEFT = 66;
const RIGHT = 24;
const TOP = 30;
const BOTTOM = 52;
const LEGEND_WIDTH = 110;
/** The most ticks of an axis. */
const COLUMNS = 7;
const ROWS = 6;

/** Draws all series over common axes; returns an empty text if they have no points. */
export function plot(series: Series[], x: Axis, y: Axis): string {
  const points = series.flatMap((one) => one.points);
  if (!points.length) return '';
  const xs = points.map(([value]) => value);
  const range = rangeOf(xs, x.scale);
  const top = Math.max(...points.map(([, value]) => value)) * 1.1 || 1;
  const left = (value: number) => LEFT + shareOf(value, range, x.scale) * (WIDTH - LEFT - RIGHT);
  const level = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const ticks = x.scale === 'log' ? logTicks : linearTicks;
  const columns = ticks(...range, COLUMNS).map((value) =>
    label(left(value), HEIGHT - BOTTOM + 18, 'middle', x.format(value)),
  );
  const rows = linearTicks(0, top, ROWS).map((value) => gridLine(level(value), y.format(value)));
  const lines = series.map(({ kind, points: own }) =>
    polyline(
      kind,
      own.map(([value, height]) => [left(value), level(height)]),
    ),
  );
  const title = label((LEFT + WIDTH) / 2, HEIGHT - 8, 'middle', x.title);
  const content = [...series.map(legend), ...columns, ...rows, title, ...lines].join('');
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${y.title}">${content}</svg>`;
}

function rangeOf(values: number[], scale: Axis['scale']): [low: number, high: number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low < high) return [low, high];
  return scale === 'log' ? [low / 2, high * 2] : [low - 1, high + 1];
}

/** Returns where in the range a value is, from 0 to 1. */
function shareOf(value: number, [low, high]: [number, number], scale: Axis['scale']): number {
  const position = scale === 'log' ? Math.log : (linear: number) => linear;
  return (position(value) - position(low)) / (position(high) - position(low));
}

function legend({ name, kind }: Series, n: number): string {
  const x = LEFT + LEGEND_WIDTH * n;
  return `<text class="${kind}" x="${x}" y="${TOP - 12}" font-weight="600">${name}</text>`;
}

function gridLine(y: number, text: string): string {
  const line = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="currentColor" opacity=".15"/>`;
  return line + label(LEFT - 8, y + 4, 'end', text);
}

function polyline(kind: string, points: Point[]): string {
  const list = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  return `<polyline class="${kind}" fill="none" stroke-width="2" points="${list}"/>`;
}

function label(x: number, y: number, anchor: string, text: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${text}</text>`;
}
