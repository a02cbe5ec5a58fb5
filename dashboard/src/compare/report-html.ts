// A report as a single page of HTML that needs no script, no network and no other file.

import { language, ms, number, size, type Text, t, tIfKnown } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { advice } from './advice.ts';
import { type Axis, plot, type Series } from './plot.ts';
import type { Environment, Report, WireReport } from './report.ts';

const COLOURS = { sse: '#2560d8', chunked: '#a85d00', ws: '#0a7d55' };

/** Returns the whole page. */
export function reportPage(report: Report): string {
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
${reportBody(report)}
</body>
</html>
`;
}

/** Returns everything below the title. All values from outside are escaped. */
export function reportBody(report: Report): string {
  const { wires } = report;
  return `<p><small>${summary(report)}</small></p>
<ul class="advice">${advice(report)
    .map((sentence) => `<li>${escapeHtml(sentence)}</li>`)
    .join('')}</ul>
${table(wires)}
<h2>${t('Latency over time')}</h2>
${plot(seriesOf(wires, timeline), secondsAxis(), latencyAxis())}
<h2>${t('Latency distribution')}</h2>
${plot(seriesOf(wires, distribution), logLatencyAxis(), shareAxis())}
<h2>${t('Environment')}</h2>
${environmentList(report.environment)}
<p><small>${t('Latency is the time from the request that published a message to its arrival, on the clock of this browser. Messages replayed after the cut are not timed. Bytes are those that the gateway sends over HTTP/1.1, response heads included.')}</small></p>`;
}

function summary({ made, tricast, published, load, seconds }: Report): string {
  const time = new Date(made).toLocaleString(language);
  const run = t('{published} messages, {rate} a second of {size} bytes, for {seconds} s', {
    published: number(published),
    rate: number(load.rate),
    size: number(load.size),
    seconds: number(seconds),
  });
  return `${escapeHtml(time)} · Tricast ${escapeHtml(tricast)} · ${run}`;
}

type Row = [name: Text, figureOf: (wire: WireReport) => string];

const ROWS: Row[] = [
  ['state', ({ state }) => tIfKnown(state)],
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

function table(wires: WireReport[]): string {
  const head = wires.map(({ wire }) => `<th scope="col" class="${wire}">${NAMES[wire]}</th>`);
  const rows = ROWS.map(([name, figureOf]) => {
    const cells = wires.map((wire) => `<td>${escapeHtml(figureOf(wire))}</td>`);
    return `<tr><th scope="row">${t(name)}</th>${cells.join('')}</tr>`;
  });
  const thead = `<thead><tr><td></td>${head.join('')}</tr></thead>`;
  return `<table>${thead}<tbody>${rows.join('')}</tbody></table>`;
}

function seriesOf(wires: WireReport[], points: (wire: WireReport) => Series['points']): Series[] {
  return wires.map((one) => ({
    name: NAMES[one.wire],
    colour: COLOURS[one.wire],
    points: points(one),
  }));
}

const timeline = (wire: WireReport) => wire.timeline;

/** Returns the histogram without the empty buckets at its start. */
function distribution({ histogram }: WireReport): Series['points'] {
  const first = histogram.findIndex(([, share]) => share > 0);
  return histogram.slice(Math.max(0, first));
}

// The titles depend on the language, which is known only when a report is made.
const secondsAxis = (): Axis => ({ title: t('seconds'), format: (value) => number(value, 1) });
const latencyAxis = (): Axis => ({ title: t('Latency over time'), format: ms });
const logLatencyAxis = (): Axis => ({ title: t('latency'), format: ms, scale: 'log' });
const shareAxis = (): Axis => ({
  title: t('Latency distribution'),
  format: (share) => `${number(100 * share, 1)} %`,
});

function environmentList(environment: Environment): string {
  const { browser, browserHttp, gatewayHttp, encrypted, proxy } = environment;
  const path = t(
    'The browser used {browser}, {encrypted}; the request reached the gateway over {gateway}.',
    {
      browser: escapeHtml(browserHttp),
      encrypted: encrypted ? t('encrypted') : t('not encrypted'),
      gateway: escapeHtml(gatewayHttp),
    },
  );
  const between = proxy
    ? t('A proxy is in between: {what}.', { what: escapeHtml(describeProxy(environment)) })
    : t('No proxy was visible.');
  return `<ul>
<li>${escapeHtml(browser)}</li>
<li>${path}</li>
<li>${between}</li>
</ul>`;
}

function describeProxy({ server, via, proxyFields }: Environment): string {
  const known = [server, via, proxyFields.join(', ')].filter(Boolean);
  return known.join('; ') || t('it does not identify itself');
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
