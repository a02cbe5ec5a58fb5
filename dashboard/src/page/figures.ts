// The figures of a wire as its panel shows them.

import type { Meter } from '../measure/meter.ts';
import { ms, number, size, t } from '../text/index.ts';
import { setText, within } from './dom.ts';

/** Writes the figures into the cells with their names. */
export function showFigures(root: HTMLElement, meter: Meter): void {
  const { bytes, latency } = meter;
  const figures = {
    count: number(meter.messages),
    rate: number(meter.rate(performance.now()), 1),
    first: ms(meter.firstByte),
    median: wholeMs(latency.quantile(0.5)),
    p99: ms(latency.quantile(0.99)),
    jitter: ms(meter.jitter),
    bytes: size(bytes.head + bytes.framing + bytes.payload),
    reconnects: withDetail(meter.reconnects, meter.away === null ? null : ms(meter.away)),
    replayed: number(meter.replayed),
    gaps: withDetail(meter.gaps, meter.lost ? number(meter.lost) : null),
    order: describeOrder(meter),
  };
  for (const [field, text] of Object.entries(figures)) {
    setText(within(root, `[data-field=${field}]`), text);
  }
  showShares(within(root, '.weights'), meter);
}

/** Without decimals, which over a few messages would suggest a winner. */
function wholeMs(value: number | null): string {
  return value !== null && value < 1 ? '< 1 ms' : ms(value && Math.round(value));
}

function withDetail(count: number, detail: string | null): string {
  return detail === null ? number(count) : `${number(count)} (${detail})`;
}

function describeOrder({ messages, disordered, repeated }: Meter): string {
  if (disordered || repeated) {
    return t('{disordered} out of order, {repeated} duplicates', { disordered, repeated });
  }
  return messages ? t('in order, no duplicates') : '–';
}

/** Draws the shares of the bytes. Scripts set the widths: the page's policy forbids inline CSS. */
function showShares(bar: HTMLElement, { bytes }: Meter) {
  const { head, framing, payload } = bytes;
  const total = head + framing + payload;
  for (const [kind, count] of Object.entries(bytes)) {
    within(bar, `.${kind}`).style.width = `${total ? (100 * count) / total : 0}%`;
  }
  const text = t('head {head}, framing {framing}, documents {payload} bytes', {
    head: number(head),
    framing: number(framing),
    payload: number(payload),
  });
  if (bar.title === text) return;
  bar.title = text;
  bar.setAttribute('aria-label', text);
}
