// A report as one page of HTML that stands alone: no script, no address, nothing to load.

import { size } from '../page/figures.js';
import { language, ms, number, t } from '../text/index.js';
import { NAMES } from '../text/wires.js';
import { advice } from './advice.js';
import { plot, type Series } from './plot.js';
import type { Report, WireReport } from './report.js';

const COLOURS = { sse: '#2560d8', chunked: '#a85d00', ws: '#0a7d55' };

/** The whole document. */
export function sheet(report: Report): string {
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${t('Three wires compared')}</title>
<style>
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1a2130; background: #fff }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #dde1e8; text-align: right }
th:first-child { text-align: left; font-weight: 500 }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: #5b6577 }
small { color: #5b6577 }
${Object.entries(COLOURS)
  .map(([wire, colour]) => `th.${wire} { color: ${colour} }`)
  .join('\n')}
</style>
</head>
<body>
<h1>${t('Three wires compared')}</h1>
${content(report)}
</body>
</html>
`;
}

/** What stands below its title. Whatever comes from elsewhere is escaped. */
export function content(report: Report): string {
  const { wires, environment: at } = report;
  const heads = wires
    .map(({ wire }) => `<th scope="col" class="${wire}">${NAMES[wire]}</th>`)
    .join('');
  const rows = figures.map(
    ([name, of]) =>
      `<tr><th scope="row">${t(name)}</th>${wires.map((one) => `<td>${escape(of(one))}</td>`).join('')}</tr>`,
  );
  return `<p><small>${escape(new Date(report.made).toLocaleString(language))} · Tricast ${escape(report.tricast)} · ${t(
    '{published} messages, {rate} a second of {size} bytes, for {seconds} s',
    {
      published: number(report.published),
      rate: number(report.load.rate),
      size: number(report.load.size),
      seconds: number(report.seconds),
    },
  )}</small></p>
<ul class="advice">${advice(report)
    .map((line) => `<li>${escape(line)}</li>`)
    .join('')}</ul>
<table><thead><tr><td></td>${heads}</tr></thead><tbody>${rows.join('')}</tbody></table>
<h2>${t('Latency over time')}</h2>
${plot(
  series(wires, ({ timeline }) => timeline),
  { title: t('seconds'), spell: (value) => number(value, 1) },
  { title: t('Latency over time'), spell: ms },
)}
<h2>${t('Latency distribution')}</h2>
${plot(
  series(wires, ({ histogram }) => trimmed(histogram)),
  { title: t('latency'), spell: ms, log: true },
  { title: t('Latency distribution'), spell: (share) => `${number(100 * share, 1)} %` },
)}
<h2>${t('Environment')}</h2>
<ul>
<li>${escape(at.browser)}</li>
<li>${t('The browser used {browser}, {encrypted}; the request reached the gateway over {gateway}.', { browser: escape(at.browserHttp), gateway: escape(at.gatewayHttp), encrypted: at.encrypted ? t('encrypted') : t('not encrypted') })}</li>
<li>${at.proxy ? t('A proxy is in between: {what}.', { what: escape(between(at)) }) : t('No proxy was visible.')}</li>
</ul>
<p><small>${t('Latency is the time from the request that published a message to its arrival, on the clock of this browser. Messages replayed after the cut are not timed. Bytes are those that the gateway sends over HTTP/1.1, response heads included.')}</small></p>`;
}

function between({ server, via, proxyFields }: Report['environment']): string {
  return (
    [server, via, proxyFields.join(', ')].filter(Boolean).join('; ') ||
    t('it does not identify itself')
  );
}

const figures: [Parameters<typeof t>[0], (one: WireReport) => string][] = [
  ['state', ({ state }) => t(state as Parameters<typeof t>[0])],
  ['first byte', ({ firstByte }) => ms(firstByte)],
  ['messages', ({ messages }) => number(messages)],
  ['median', ({ latency }) => ms(latency.p50)],
  ['90 %', ({ latency }) => ms(latency.p90)],
  ['99 %', ({ latency }) => ms(latency.p99)],
  ['longest', ({ latency }) => (latency.count ? ms(latency.max) : '–')],
  ['jitter', ({ jitter }) => ms(jitter)],
  ['on the wire', ({ bytes }) => size(bytes.head + bytes.framing + bytes.payload)],
  ['overhead per message', ({ around }) => (around === null ? '–' : `${number(around, 1)} B`)],
  ['reconnects', ({ reconnects }) => number(reconnects)],
  ['reconnected after', ({ away }) => ms(away)],
  ['replayed', ({ replayed }) => number(replayed)],
  ['gaps', ({ gaps }) => number(gaps)],
  ['out of order', ({ disordered }) => number(disordered)],
  ['duplicates', ({ repeated }) => number(repeated)],
];

function series(wires: WireReport[], points: (one: WireReport) => [number, number][]): Series[] {
  return wires.map((one) => ({
    name: NAMES[one.wire],
    colour: COLOURS[one.wire],
    points: points(one),
  }));
}

/** Without the empty ends. */
function trimmed(histogram: [number, number][]): [number, number][] {
  return histogram.slice(
    Math.max(
      0,
      histogram.findIndex(([, share]) => share > 0),
    ),
  );
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
