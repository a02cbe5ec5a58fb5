import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dissectHead, dissectStream, type Part } from './dissect.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const decode = ({ kind, bytes }: Part) => [kind, new TextDecoder().decode(bytes)];

test('a head is split into its fields', { timeout: 60_000 }, () => {
  const head = 'HTTP/1.1 200 OK\r\nvary: origin\r\nx-other: 1\r\n\r\n';
  const parts = dissectHead(encode(head));
  assert.deepEqual(
    parts.map(({ kind, title }) => [kind, title]),
    [
      ['framing', 'the status'],
      ['field', 'vary: caches must keep origins apart'],
      ['field', 'x-other'],
      ['framing', 'the end of the head'],
    ],
  );
});

test('a chunk of an event stream is split into lines', { timeout: 60_000 }, () => {
  const parts = dissectStream('sse', encode('12\r\ndata: {}\nid: e-1\n\n\r\n'));
  assert.deepEqual(parts.map(decode), [
    ['framing', '12\r\n'],
    ['field', 'data: '],
    ['payload', '{}'],
    ['field', '\n'],
    ['field', 'id: e-1\n'],
    ['field', '\n'],
    ['framing', '\r\n'],
  ]);
});

test('a frame is split for each size of its length', { timeout: 60_000 }, () => {
  const sizes: [length: number, header: number[]][] = [
    [5, [5]],
    [300, [126, 1, 44]],
    [70_000, [127, 0, 0, 0, 0, 0, 1, 17, 112]],
  ];
  for (const [length, header] of sizes) {
    const frame = Uint8Array.from([0x81, ...header, ...new Uint8Array(length)]);
    const parts = dissectStream('ws', Uint8Array.from([...frame, ...frame]));
    const lengths = [1, 1, ...(header.length > 1 ? [header.length - 1] : []), length];
    assert.deepEqual(
      parts.map(({ bytes }) => bytes.length),
      [...lengths, ...lengths],
    );
    assert.equal(parts[0]?.title, '10000001: FIN, opcode 1 (text)');
  }
});
