// A wire's figures, as its panel shows them.

import type { Meter } from '../measure/meter.js';
import { ms, number, t } from '../text/index.js';
import { show, within } from './dom.js';

/** Writes the figures into the cells that are named for them. */
export function showFigures(root: HTMLElement, meter: Meter): void {
  const now = performance.now();
  const { bytes, latency } = meter;
  const all = bytes.head + bytes.framing + bytes.payload;
  const figures = {
    count: number(meter.messages),
    rate: number(meter.rate(now), 1),
    first: ms(meter.firstByte),
    median: ms(latency.quantile(0.5)),
    p99: ms(latency.quantile(0.99)),
    jitter: ms(meter.jitter),
    bytes: size(all),
    reconnects:
      meter.away === null
        ? number(meter.reconnects)
        : `${number(meter.reconnects)} (${ms(meter.away)})`,
    replayed: number(meter.replayed),
    gaps: meter.lost ? `${number(meter.gaps)} (${number(meter.lost)})` : number(meter.gaps),
    order:
      meter.disordered || meter.repeated
        ? t('{disordered} out of order, {repeated} duplicates', {
            disordered: meter.disordered,
            repeated: meter.repeated,
          })
        : meter.messages
          ? t('in order, no duplicates')
          : '–',
  };
  for (const [field, text] of Object.entries(figures))
    show(within(root, `[data-field=${field}]`), text);
  weigh(
    within(root, '.weights'),
    [
      ['head', bytes.head],
      ['framing', bytes.framing],
      ['payload', bytes.payload],
    ],
    all,
  );
}

/** How much of it is what. The widths are set by script: the page's policy takes no style from markup. */
function weigh(bar: HTMLElement, parts: [string, number][], all: number) {
  for (const [kind, count] of parts)
    within(bar, `.${kind}`).style.width = `${all ? (100 * count) / all : 0}%`;
  const [head, framing, payload] = parts.map(([, count]) => number(count));
  const text = t('head {head}, framing {framing}, documents {payload} bytes', {
    head: head!,
    framing: framing!,
    payload: payload!,
  });
  if (bar.title === text) return;
  bar.title = text;
  bar.setAttribute('aria-label', text);
}

/** Bytes, in the unit that fits. */
export function size(bytes: number): string {
  if (bytes < 10_000) return `${number(bytes)} B`;
  return bytes < 10_000_000 ? `${number(bytes / 1000, 1)} kB` : `${number(bytes / 1e6, 1)} MB`;
}
