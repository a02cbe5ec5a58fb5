// The table of a report: what each wire takes by itself, together with the others, and in this tab.

import { ms, number, size, type Text, t, tIfKnown } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { escapeHtml } from './escape.ts';
import type { Report, Times, WireReport } from './report.ts';

type Row = [name: Text, figureOf: (wire: WireReport) => string];

/** Returns the table. All values from outside are escaped. */
export function reportTable(report: Report): string {
  const { wires, verdict, request, tab } = report;
  const columns = wires.length;
  const head = wires.map(({ wire }) => `<th scope="col" class="${wire}">${NAMES[wire]}</th>`);
  const rows = (list: Row[]) => list.map((row) => wireRow(row, wires)).join('');
  const body = [
    group(
      columns,
      t('Alone'),
      t(
        'One stream open at a time, in {rounds} rounds of random order. The verdict is based on this.',
        {
          rounds: number(verdict.rounds),
        },
      ),
    ),
    rows(ALONE),
    group(
      columns,
      t('Together'),
      t(
        'All three streams open in this tab. A browser runs one event handler at a time, so later wires wait for earlier ones.',
      ),
    ),
    rows(TOGETHER),
    group(
      columns,
      t('This tab'),
      t('What the page itself adds. A program with one stream does not have this cost.'),
    ),
    rows(TAB),
    commonRow(t('event delay, alone'), tab.alone, columns),
    commonRow(t('event delay, together'), tab.together, columns),
    commonRow(t('a request, no stream open'), request, columns),
    group(
      columns,
      t('Delivery'),
      t('While all three were open; the gateway cut each of them once.'),
    ),
    rows(DELIVERY),
  ];
  const thead = `<thead><tr><td></td>${head.join('')}</tr></thead>`;
  return `<table>${thead}<tbody>${body.join('')}</tbody></table>`;
}

const ALONE: Row[] = [
  ['median', ({ alone }) => ms(alone.p50)],
  ['90 %', ({ alone }) => ms(alone.p90)],
  ['99 %', ({ alone }) => ms(alone.p99)],
];

const TOGETHER: Row[] = [
  ['median', ({ latency }) => ms(latency.p50)],
  ['90 %', ({ latency }) => ms(latency.p90)],
  ['99 %', ({ latency }) => ms(latency.p99)],
  ['longest', ({ latency }) => (latency.count ? ms(latency.max) : '–')],
  ['jitter', ({ jitter }) => ms(jitter)],
];

const TAB: Row[] = [['median, together − alone', ({ alone, latency }) => added(alone, latency)]];

const DELIVERY: Row[] = [
  ['state', ({ state }) => tIfKnown(state)],
  ['first byte', ({ firstByte }) => ms(firstByte)],
  ['messages', ({ messages }) => number(messages)],
  ['on the wire', ({ bytes }) => size(bytes.head + bytes.framing + bytes.payload)],
  ['overhead per message', ({ around }) => (around === null ? '–' : `${number(around, 1)} B`)],
  ['reconnects', ({ reconnects }) => number(reconnects)],
  ['reconnected after', ({ away }) => ms(away)],
  ['replayed', ({ replayed }) => number(replayed)],
  ['gaps', ({ gaps }) => number(gaps)],
  ['out of order', ({ disordered }) => number(disordered)],
  ['duplicates', ({ repeated }) => number(repeated)],
];

function added(alone: Times, together: Times): string {
  if (alone.p50 === null || together.p50 === null) return '–';
  const difference = together.p50 - alone.p50;
  return difference < 0 ? `−${ms(-difference)}` : ms(difference);
}

function group(columns: number, name: string, explanation: string): string {
  return `<tr class="group"><th scope="rowgroup" colspan="${columns + 1}">${name}<small>${explanation}</small></th></tr>`;
}

function wireRow([name, figureOf]: Row, wires: WireReport[]): string {
  const cells = wires.map((wire) => `<td>${escapeHtml(figureOf(wire))}</td>`);
  return `<tr><th scope="row">${t(name)}</th>${cells.join('')}</tr>`;
}

/** Makes a row with one cell for all wires. */
function commonRow(name: string, { p50, p90 }: Times, columns: number): string {
  const figures = t('median {median}, 90 % within {most}', { median: ms(p50), most: ms(p90) });
  return `<tr><th scope="row">${name}</th><td colspan="${columns}">${figures}</td></tr>`;
}
