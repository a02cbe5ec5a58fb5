// A report as a single page of HTML that needs no script, no network and no other file.

import { language, ms, number, t } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { advice } from './advice.ts';
import { escapeHtml } from './escape.ts';
import { type Axis, plot, type Series } from './plot.ts';
import type { Environment, Report, WireReport } from './report.ts';
import { reportTable } from './report-table.ts';

/** The style of what `reportBody` returns, where the colours above it are defined. */
const STYLE = `table { border-collapse: collapse; table-layout: fixed; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child { text-align: left; font-weight: 500 }
td:first-child { width: 34% }
thead th { color: var(--wire) }
.group th { padding-top: 1.1rem; font-weight: 600 }
.group small { display: block; font-weight: 400 }
.advice { padding-left: 1.2rem }
.advice li:first-child { margin: 0 0 .4rem -1.2rem; list-style: none; font-size: 1.05rem; font-weight: 650 }
.advice li:nth-child(n + 4):last-child { margin: .4rem 0 0 -1.2rem; list-style: none; color: var(--soft); font-size: .9rem }
h2 { font-size: 1.05rem }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: var(--soft) }
svg .sse, svg .chunked, svg .ws { fill: var(--wire) }
polyline { stroke: var(--wire) }
svg polyline.sse, svg polyline.chunked, svg polyline.ws { fill: none }
@media (max-width: 30rem) {
  th, td { padding-inline: .1rem; font-size: .85rem }
  td:first-child { width: 28% }
  thead th { font-size: .7rem }
  svg { font-size: 17px }
}`;

/** Returns the whole page. */
export function reportPage(report: Report): string {
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${t('Three wires compared')}</title>
<style>
:root { color-scheme: light dark; --text: #1a2130; --soft: #5b6577; --line: #dde1e8; --page: #fff; --sse: #2560d8; --chunked: #a85d00; --ws: #0a7d55 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6eaf2; --soft: #9aa5b8; --line: #2b3342; --page: #181d27; --sse: #7aa7ff; --chunked: #f0a94a; --ws: #4fd1a1 }
}
body { max-width: 76rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page) }
.sse { --wire: var(--sse) }
.chunked { --wire: var(--chunked) }
.ws { --wire: var(--ws) }
li { overflow-wrap: anywhere }
small { color: var(--soft) }
${STYLE}
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
${reportTable(report)}
<div class="plots">
<div><h2>${t('Latency over time, all together')}</h2>
${plot(seriesOf(wires, timeline), secondsAxis(), latencyAxis())}</div>
<div><h2>${t('Latency distribution, all together')}</h2>
${plot(seriesOf(wires, distribution), logLatencyAxis(), shareAxis())}</div>
</div>
<h2>${t('Environment')}</h2>
${environmentList(report.environment)}
<p><small>${t('Latency is the time from the request that published a message to its arrival, on the clock of this browser. Messages replayed after the cut are not timed. Bytes are those that the gateway sends over HTTP/1.1, response heads included.')}</small></p>`;
}

function summary({ made, tricast, published, load, seconds }: Report): string {
  const time = new Date(made).toLocaleString(language);
  const run = t('{seconds} s; together {published} messages, {rate} a second, of {size} bytes', {
    published: number(published),
    rate: number(load.rate, 1),
    size: number(load.size),
    seconds: number(seconds),
  });
  return `${escapeHtml(time)} · Tricast ${escapeHtml(tricast)} · ${run}`;
}

function seriesOf(wires: WireReport[], points: (wire: WireReport) => Series['points']): Series[] {
  return wires.map((one) => ({
    name: NAMES[one.wire],
    kind: one.wire,
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
const latencyAxis = (): Axis => ({ title: t('Latency over time, all together'), format: ms });
const logLatencyAxis = (): Axis => ({ title: t('latency'), format: ms, scale: 'log' });
const shareAxis = (): Axis => ({
  title: t('Latency distribution, all together'),
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
