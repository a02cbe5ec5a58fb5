import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WireName } from '../client/index.ts';
import { WIRES } from '../text/wires.ts';
import { advice } from './advice.ts';
import { environmentFixture, reportFixture, wireFixture } from './fixtures.ts';
import type { Report, WireReport } from './report.ts';
import type { Verdict } from './verdict.ts';

const working = [wireFixture('sse'), wireFixture('chunked'), wireFixture('ws')];
const calm: Verdict = {
  outcome: 'no-difference',
  slower: [],
  medians: { sse: 4, chunked: 4, ws: 5 },
  threshold: 17,
  rounds: 20,
};
/** A verdict that one wire is slower than the others by so many ms. */
const slowed = (wire: WireName, ms: number): Verdict => ({
  ...calm,
  outcome: 'difference',
  slower: WIRES.filter((than) => than !== wire).map((than) => ({ wire, than })),
  medians: { ...calm.medians, [wire]: 4 + ms },
});

test('advice compares the wires that work', { timeout: 60_000 }, () => {
  const sentences = advice(reportFixture(working, { verdict: slowed('chunked', 86) }));
  assert.equal(
    sentences[0],
    'Chunked is slower than SSE (4 ms) and WebSocket (5 ms): alone, its median over 20 rounds is 90 ms.',
  );
  assert.ok(
    sentences.includes('Bytes that each wire adds to a message: WebSocket 2, Chunked 7, SSE 32.'),
  );
});

test('advice names no wire without a finding, and none as the fastest', {
  timeout: 60_000,
}, () => {
  const first = (verdict: Verdict, loopback = false) =>
    advice(reportFixture(working, { verdict, environment: environmentFixture({ loopback }) }));
  const [alike] = first(calm);
  assert.match(alike ?? '', /^No wire is faster .* 4 ms and 5 ms, and differences up to 17 ms/);
  const [noisy] = first({ ...calm, medians: { sse: 4, chunked: 40, ws: 5 } });
  assert.match(noisy ?? '', /^No wire is faster .* can be chance/);
  const [few] = first({ ...calm, outcome: 'too-few', rounds: 7 });
  assert.match(few ?? '', /^Too few rounds to tell the wires apart \(7\)/);
  const onOneMachine = first(slowed('ws', 50), true);
  assert.match(onOneMachine[1] ?? '', /^On one machine no network delays a wire/);
  assert.ok(onOneMachine.some((sentence) => sentence.includes('say nothing about a network')));
  for (const verdict of [calm, slowed('ws', 50)]) {
    for (const sentence of first(verdict, true)) assert.doesNotMatch(sentence, /fastest/);
  }
});

test('advice names the wires that do not work', { timeout: 60_000 }, () => {
  const blocked = { own: 0, messages: 0 };
  const sentences = advice(
    reportFixture([
      wireFixture('sse', blocked),
      wireFixture('chunked', { own: 8 }),
      wireFixture('ws', blocked),
    ]),
  );
  assert.deepEqual(
    sentences.map((sentence) => sentence.split(' ').slice(0, 4).join(' ')),
    [
      'SSE did not get',
      'WebSocket did not get',
      'Chunked delivered all but',
      'Use Chunked for programs,',
      'No proxy is visible',
    ],
  );
  assert.ok(sentences[2]?.includes('all but 2 of 10'), sentences[2]);
});

test('advice has a remedy for each symptom and for nothing else', { timeout: 60_000 }, () => {
  const remedies = {
    'no-upgrade': 'Let it upgrade.',
    'buffered': 'Do not buffer.',
    'held-back': 'Do not hold.',
    'http-1.0': 'Speak 1.1.',
    'url': 'Pass the host on.',
  };
  const given = (wires: WireReport[], environmentFields = {}, fields: Partial<Report> = {}) => {
    const environment = environmentFixture({ advice: remedies, ...environmentFields });
    const sentences = advice(reportFixture(wires, { environment, ...fields }));
    return sentences.filter((sentence) => Object.values(remedies).includes(sentence));
  };
  assert.deepEqual(given(working), []);
  const blocked = [
    wireFixture('sse', { own: 0 }),
    wireFixture('chunked'),
    wireFixture('ws', { own: 0 }),
  ];
  assert.deepEqual(given(blocked), ['Let it upgrade.', 'Do not buffer.']);
  assert.deepEqual(given(working, {}, { verdict: slowed('sse', 300) }), ['Do not hold.']);
  assert.deepEqual(given(working, {}, { verdict: slowed('sse', 60) }), []);
  const environment = { gatewayHttp: 'HTTP/1.0', proxy: true, misplaced: true };
  assert.deepEqual(given(working, environment), ['Speak 1.1.', 'Pass the host on.']);
});

test('there is no advice without a message', { timeout: 60_000 }, () => {
  const wires = [wireFixture('sse', { own: 0 })];
  assert.deepEqual(advice(reportFixture(wires, { published: 0, failure: 'forbidden' })), [
    'The comparison ended early: forbidden',
    'Nothing was published, so there is nothing to compare.',
  ]);
});
