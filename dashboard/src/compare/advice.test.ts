import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advice } from './advice.ts';
import { environmentFixture, reportFixture, wireFixture } from './fixtures.ts';
import type { Environment, WireReport } from './report.ts';

const slow = (ms: number) => ({ latency: { count: 10, p50: ms, p90: ms, p99: ms, max: ms } });
const working = [wireFixture('sse'), wireFixture('chunked'), wireFixture('ws')];

test('advice compares the wires that work', { timeout: 60_000 }, () => {
  const wires = [wireFixture('sse'), wireFixture('chunked', slow(90)), wireFixture('ws')];
  const sentences = advice(reportFixture(wires));
  const [speed = ''] = sentences;
  assert.ok(speed.startsWith('SSE is the fastest') && speed.includes('Chunked took 90'), speed);
  assert.ok(sentences.includes('WebSocket adds 2 bytes to each message, SSE adds 32.'));
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
      'No proxy is visible',
      'Use Chunked for programs,',
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
  const given = (wires: WireReport[], fields: Partial<Environment> = {}) => {
    const environment = environmentFixture({ advice: remedies, ...fields });
    const sentences = advice(reportFixture(wires, { environment }));
    return sentences.filter((sentence) => Object.values(remedies).includes(sentence));
  };
  assert.deepEqual(given(working), []);
  const blocked = [
    wireFixture('sse', { own: 0 }),
    wireFixture('chunked'),
    wireFixture('ws', { own: 0 }),
  ];
  assert.deepEqual(given(blocked), ['Let it upgrade.', 'Do not buffer.']);
  const held = [wireFixture('sse', slow(300)), wireFixture('chunked'), wireFixture('ws')];
  assert.deepEqual(given(held), ['Do not hold.']);
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
