import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gap, Hello, Message } from '../client/index.ts';
import { tagOf, testMessage } from './load-generator.ts';
import { Meter } from './meter.ts';

function message(id: string, fields: Partial<Message> = {}): Message {
  return { id, channel: 'demo', event: 'message', data: 'x', time: 0, ...fields };
}

function hello(id: string, time: number): Hello {
  const common = { channels: ['demo'], client: 'c', issued: true, recovered: true, online: {} };
  return { event: 'tricast.hello', id, ...common, heartbeat: 60_000, time };
}

function gap(first: number | null, last: number | null): Gap {
  return { event: 'tricast.gap', id: 'e-0', channel: 'demo', first, last, certain: true, time: 0 };
}

test('a meter tells duplicates from disorder, replayed from live, own from others', {
  timeout: 60_000,
}, () => {
  const meter = new Meter('ws');
  const receive = (id: string, fields: Partial<Message>) => {
    const received = message(id, fields);
    meter.countDocument(JSON.stringify(received), received, 0);
    return meter.countMessage(received, 0);
  };
  const greet = (id: string, time: number) => {
    const received = hello(id, time);
    meter.countDocument(JSON.stringify(received), received, 12);
    meter.hello(received, 12);
  };
  meter.connecting(5);
  greet('e-0', 100);
  assert.equal(meter.firstByte, 7);
  for (const id of ['e-1', 'e-2', 'e-5']) assert.equal(receive(id, { time: 100 }), true);
  receive('e-5', { time: 100 });
  receive('e-4', { time: 100 });
  assert.deepEqual([meter.repeated, meter.disordered], [1, 1]);
  receive('f-1', { time: 100 });
  assert.equal(meter.disordered, 1, 'another epoch has its own order');
  meter.interrupted(20);
  greet('f-1', 200);
  assert.deepEqual([meter.reconnects, meter.away], [1, -8]);
  assert.equal(receive('f-2', { time: 150 }), false);
  assert.equal(receive('f-3', { time: 200 }), true);
  assert.equal(meter.replayed, 1);
  const { tag, data } = testMessage(7, { size: 50, json: true });
  receive('f-4', { time: 300, data });
  receive('f-5', { time: 300, data: { tag: 'some.7' } });
  assert.deepEqual([meter.own, tagOf(data)], [1, tag]);
  meter.gap(gap(3, 7));
  meter.gap(gap(null, null));
  assert.deepEqual([meter.gaps, meter.lost], [2, 5]);
  const { messages } = meter;
  meter.rewind('f-3');
  assert.equal(meter.messages, messages - 2);
});

test('a stream that was never open cannot be interrupted', { timeout: 60_000 }, () => {
  const meter = new Meter('sse');
  meter.interrupted(5);
  meter.hello(hello('e-0', 1), 9);
  assert.deepEqual([meter.reconnects, meter.away], [0, null]);
});

test('a meter has a current rate and a mean jitter', { timeout: 60_000 }, () => {
  const meter = new Meter('sse');
  for (let n = 0; n < 100; n += 1) meter.countMessage(message(`e-${n + 1}`), 10 * n);
  assert.ok(Math.abs(meter.rate(1000) - 50) <= 0.5, `${meter.rate(1000)} a second`);
  assert.equal(meter.rate(4000), 0);
  assert.equal(meter.jitter, null);
  for (let n = 0; n < 400; n += 1) meter.addLatency(n % 2 ? 10 : 16, n);
  assert.ok(meter.jitter !== null && Math.abs(meter.jitter - 6) <= 0.12, `${meter.jitter} ms`);
});
