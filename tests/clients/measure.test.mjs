// What the page adds up, value by value: latencies, order, replays, rate, and a report that runs nothing that somebody wrote.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { run } from './child.mjs';
import { repository } from './gateway.mjs';

let page;
before(async () => {
  const entry = ['measure/histogram', 'measure/timeline', 'measure/latency-tracker', 'measure/meter', 'measure/load-generator', 'measure/overhead', 'compare/report-html', 'compare/advice', 'compare/report']
    .map((name) => `export * from './src/${name}.ts';`).join('\n');
  const built = await run(`${repository}dashboard/node_modules/.bin/esbuild`, ['--bundle', '--format=iife', '--global-name=page'],
    { cwd: `${repository}dashboard`, input: entry, hint: 'run make page' });
  assert.equal(built.code, 0, built.errors);
  page = new Function(`${built.output}; return page`)();
});
const near = (value, wanted, share = 0.1) => assert.ok(Math.abs(value - wanted) <= share * wanted, `${value}, and not ${wanted}`);
const message = (id, fields = {}) => ({ id, channel: 'demo', event: 'message', data: 'x', time: 0, ...fields });

test('a histogram is exact to a tenth, at both ends and in between', { timeout: 60_000 }, () => {
  const histogram = new page.Histogram();
  assert.equal(histogram.quantile(0.5), null);
  for (let n = 1; n <= 1000; n += 1) histogram.add(n / 10);
  near(histogram.quantile(0.5), 50);
  near(histogram.quantile(0.99), 99);
  assert.equal(histogram.quantile(1), 100, 'never more than the longest');
  near(histogram.quantile(0.001), 0.1);
  assert.equal(histogram.count, 1000);
  near(histogram.shares().reduce((sum, [, share]) => sum + share, 0), 1, 1e-9);
  histogram.add(1e9);
  assert.equal(histogram.max, 1e9);
});

test('a time line has the median of each half second, also when a value comes late', { timeout: 60_000 }, () => {
  const timeline = new page.Timeline();
  for (const [ms, now] of [[5, 0], [1, 100], [9, 499], [7, 500], [100, 400], [3, 999]]) timeline.add(ms, now);
  assert.deepEqual(timeline.upTo(1000), [{ slot: 0, median: 5 }, { slot: 1, median: 7 }]);
  assert.deepEqual(timeline.upTo(5000).length, 2, 'nothing where there is nothing');
});

test('a journal times what it knows, in either order, and nothing else', { timeout: 60_000 }, () => {
  const [journal, times] = [new page.LatencyTracker(), []];
  journal.published('a', 10);
  journal.received('a', 14, (ms) => times.push(ms));
  journal.received('a', 15, (ms) => times.push(ms));
  journal.received('b', 21, (ms) => times.push(ms));
  journal.received('b', 22, (ms) => times.push(ms));
  journal.published('b', 20);
  journal.received("somebody else's", 30, (ms) => times.push(ms));
  assert.deepEqual(times, [4, 5, 1, 2]);
});

test('a meter tells late from twice, live from replayed, own from others', { timeout: 60_000 }, () => {
  const meter = new page.Meter('ws');
  const hear = (id, fields) => { const one = message(id, fields); meter.countDocument(JSON.stringify(one), one, 0); return meter.countMessage(one, 0); };
  meter.connecting(5);
  const hello = (id, time) => { const one = { event: 'tricast.hello', id, time }; meter.countDocument(JSON.stringify(one), one, 12); meter.hello(one, 12); };
  hello('e-0', 100);
  assert.equal(meter.firstByte, 7);
  for (const id of ['e-1', 'e-2', 'e-5']) assert.equal(hear(id, { time: 100 }), true);
  hear('e-5', { time: 100 });
  hear('e-4', { time: 100 });
  assert.deepEqual([meter.repeated, meter.disordered], [1, 1]);
  hear('f-1', { time: 100 });
  assert.equal(meter.disordered, 1, 'another epoch has an order of its own');
  meter.interrupted(20);
  hello('f-1', 200);
  assert.deepEqual([meter.reconnects, meter.away], [1, -8]);
  assert.equal(hear('f-2', { time: 150 }), false);
  assert.equal(hear('f-3', { time: 200 }), true);
  assert.equal(meter.replayed, 1);
  const { tag, data } = page.testMessage(7, { size: 50, json: true });
  hear('f-4', { time: 300, data });
  hear('f-5', { time: 300, data: { tag: 'some.7' } });
  assert.deepEqual([meter.own, page.tagOf(data)], [1, tag]);
  meter.gap({ first: 3, last: 7 });
  meter.gap({ first: null, last: null });
  assert.deepEqual([meter.gaps, meter.lost], [2, 5]);
  const { messages } = meter;
  meter.rewind('f-3');
  assert.equal(meter.messages, messages - 2);
});

test('what was never open is not interrupted', { timeout: 60_000 }, () => {
  const meter = new page.Meter('sse');
  meter.interrupted(5);
  meter.hello({ event: 'tricast.hello', id: 'e-0', time: 1 }, 9);
  assert.deepEqual([meter.reconnects, meter.away], [0, null]);
});

test('rate and jitter', { timeout: 60_000 }, () => {
  const meter = new page.Meter('sse');
  for (let n = 0; n < 100; n += 1) meter.countMessage(message(`e-${n + 1}`), 10 * n);
  near(meter.rate(1000), 50, 0.01);
  assert.equal(meter.rate(4000), 0);
  assert.equal(meter.jitter, null);
  for (let n = 0; n < 400; n += 1) meter.addLatency(n % 2 ? 10 : 16, n);
  near(meter.jitter, 6, 0.02);
});

test('data is of the size that was asked for, and each has a tag of its own', { timeout: 60_000 }, () => {
  for (const json of [true, false]) for (const size of [40, 100, 5000]) {
    const [a, b] = [page.testMessage(1, { size, json }), page.testMessage(2, { size, json })];
    assert.equal((json ? JSON.stringify(a.data) : a.data).length, size);
    assert.deepEqual([page.tagOf(a.data), page.tagOf(b.data)], [a.tag, b.tag]);
    assert.notEqual(a.tag, b.tag);
  }
  for (const data of ['hello there', null, 7, { tag: 3 }, []]) assert.equal(page.tagOf(data), null);
});

const one = (wire, fields = {}) => ({ wire, state: 'live', firstByte: 1, messages: 10, own: 10, latency: { count: 10, p50: 1, p90: 2, p99: 3, max: 4 }, jitter: 1,
  reconnects: 0, away: null, replayed: 0, gaps: 0, lost: 0, disordered: 0, repeated: 0, bytes: { head: 1, framing: 20, payload: 100 }, around: { sse: 32, chunked: 7, ws: 2 }[wire],
  histogram: [[1, 1]], timeline: [[0, 1], [1, 2]], ...fields });
const report = (wires, fields = {}) => ({ tricast: '0', made: '2026-11-22T00:00:00Z', seconds: 3, failure: null, load: { rate: 1, size: 1, json: false }, published: 10,
  environment: { browser: 'b', browserHttp: 'HTTP/1.1', gatewayHttp: 'HTTP/1.1', proxy: false, proxyFields: [], via: null, server: null, encrypted: false,
    misplaced: false, advice: {} }, wires, ...fields });

test('a report escapes what others have written, and says of a proxy no more than its name', { timeout: 60_000 }, () => {
  const bad = '<img src=x onerror=alert(1)>"\'&';
  const environment = { ...report([]).environment, browser: bad, browserHttp: bad, gatewayHttp: bad, proxy: true, server: bad, via: bad };
  const html = page.reportPage(report([one('sse'), one('ws', { state: bad })], { environment, tricast: bad }));
  assert.doesNotMatch(html, /<img/);
  assert.ok(html.split('&#60;img').length > 5, 'it is there, as text');
  const seen = { version: '0', http: 'HTTP/1.1', url: 'http://page.invalid', encrypted: false, advice: {}, heads: null, fields: { via: '1.1 proxy.internal:3128 (squid/5.7), 1.1 10.0.0.7 (Apache)', 'x-real-ip': '192.0.2.7' } };
  const observed = (request, browserHttp = '?') => page.environment({ browser: 'b', browserHttp, server: null, url: new URL('http://page.invalid/'), request });
  const { via, proxyFields, proxy } = observed(seen);
  assert.deepEqual([via, proxyFields, proxy], ['squid/5.7, Apache', ['via', 'x-real-ip'], true]);
  assert.equal(observed({ ...seen, fields: {} }).proxy, false, 'what is not known is no sign of a proxy');
  assert.equal(observed({ ...seen, fields: {}, encrypted: true }).proxy, true, 'encryption that begins between the two is one');
  const unasked = { version: '', http: '', url: '', encrypted: true, fields: {}, advice: {}, heads: null };
  assert.deepEqual([observed(unasked, 'HTTP/2')].map(({ proxy, misplaced }) => [proxy, misplaced]), [[false, false]], 'nor is a gateway that does not say');
  assert.deepEqual(['http://page.invalid', 'http://elsewhere.invalid'].map((url) => observed({ ...seen, url }).misplaced), [false, true]);
});

test('advice speaks of what works, and of what did not', { timeout: 60_000 }, () => {
  const all = page.advice(report([one('sse'), one('chunked', { latency: { count: 10, p50: 90 } }), one('ws')]));
  assert.ok(all[0].startsWith('SSE is the fastest') && all[0].includes('Chunked took 90'), all[0]);
  assert.ok(all.includes('WebSocket adds 2 bytes to each message, SSE adds 32.'));
  const only = page.advice(report([one('sse', { own: 0, messages: 0 }), one('chunked', { own: 8 }), one('ws', { own: 0, messages: 0 })]));
  assert.deepEqual(only.map((line) => line.split(' ').slice(0, 4).join(' ')), ['SSE did not get', 'WebSocket did not get', 'Chunked delivered all but', 'No proxy is visible', 'Use Chunked for programs,']);
  assert.ok(only[2].includes('all but 2 of 10'));
  const remedies = { 'no-upgrade': 'Let it upgrade.', buffered: 'Do not buffer.', 'held-back': 'Do not hold.', 'http-1.0': 'Speak 1.1.', url: 'Pass the host on.' };
  const advised = (wires, said) => page.advice(report(wires, { environment: { ...report([]).environment, advice: remedies, ...said } })).filter((line) => Object.values(remedies).includes(line));
  const working = [one('sse'), one('chunked'), one('ws')];
  assert.deepEqual(advised(working), [], 'what works needs no remedy');
  assert.deepEqual(advised([one('sse', { own: 0 }), one('chunked'), one('ws', { own: 0 })]), ['Let it upgrade.', 'Do not buffer.']);
  assert.deepEqual(advised([one('sse', { latency: { count: 10, p50: 300 } }), one('chunked'), one('ws')]), ['Do not hold.']);
  assert.deepEqual(advised(working, { gatewayHttp: 'HTTP/1.0', proxy: true, misplaced: true }), ['Speak 1.1.', 'Pass the host on.']);
  const nothing = page.advice(report([one('sse', { own: 0 })], { published: 0, failure: 'forbidden' }));
  assert.deepEqual(nothing, ['The comparison ended early: forbidden', 'Nothing was published, so there is nothing to compare.']);
});
