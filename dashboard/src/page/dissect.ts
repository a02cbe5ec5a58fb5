// Splits the bytes of a stream into parts and explains each of them.

import type { WireName } from '../client/index.ts';
import { type Text, t } from '../text/index.ts';

export type Kind = 'framing' | 'field' | 'payload';

export interface Part {
  kind: Kind;
  bytes: Uint8Array;
  /** An explanation for the user. */
  title: string;
  /** The bytes are not text even if they look like it. */
  binary?: boolean;
}

const NEWLINE = 10;
const SPACE = 32;
const COLON = 58;

/** Splits what the gateway sends on a wire after the head. */
export function dissectStream(wire: WireName, bytes: Uint8Array): Part[] {
  if (wire === 'ws') return dissectFrames(bytes);
  return dissectChunks(bytes, wire === 'sse' ? dissectEventLine : dissectJsonLine);
}

/** The purpose of each header field of a stream. */
const HEADER_FIELDS: Record<string, Text> = {
  'content-type': 'what the body is',
  'cache-control': 'proxies must not cache or change it',
  'x-accel-buffering': 'nginx must not buffer it',
  'content-encoding': 'proxies need not compress it',
  'tricast-id': 'the cursor, for clients that receive no hello',
  'tricast-client': 'the client id that skip_self and cut refer to',
  'connection': 'what happens to the connection',
  'upgrade': 'the connection becomes a WebSocket',
  'sec-websocket-accept': 'proves that the handshake was understood',
  'sec-websocket-protocol': 'the selected subprotocol',
  'x-content-type-options': 'published content is never executed',
  'vary': 'caches must keep origins apart',
  'access-control-expose-headers': 'the headers that a page of another origin may read',
  'transfer-encoding': 'the body is sent in chunks, without a length',
};

/** Splits the head of a response (RFC 9112 §4). */
export function dissectHead(bytes: Uint8Array): Part[] {
  const [status, ...lines] = splitLines(bytes);
  if (!status) return [];
  return [
    { kind: 'framing', bytes: status, title: t('the status') },
    ...lines.map((line): Part => {
      if (line.length <= 2) {
        return { kind: 'framing', bytes: line, title: t('the end of the head') };
      }
      const [name = ''] = ascii(line).split(':');
      return { kind: 'field', bytes: line, title: explain(name, HEADER_FIELDS[name]) };
    }),
  ];
}

/** Returns the number of bytes of each kind. */
export function countBytes(parts: Part[]): Record<Kind, number> {
  const sums = { framing: 0, field: 0, payload: 0 };
  for (const { kind, bytes } of parts) sums[kind] += bytes.length;
  return sums;
}

const OPCODES: Record<number, string> = {
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};

/** Splits unmasked WebSocket frames (RFC 6455 §5.2), as a server sends them. */
function dissectFrames(bytes: Uint8Array): Part[] {
  const parts: Part[] = [];
  let at = 0;
  const take = (kind: Kind, count: number, title: string) => {
    const taken = bytes.subarray(at, at + count);
    if (count > 0) parts.push({ kind, bytes: taken, title, binary: kind === 'framing' });
    at += count;
  };
  while (at < bytes.length) {
    const [first = 0, second = 0] = bytes.subarray(at, at + 2);
    const short = second & 127;
    const more = extendedLength(short);
    const length = more ? bigEndian(bytes.subarray(at + 2, at + 2 + more)) : short;
    take('framing', 1, `${bits(first)}: ${describeFrame(first)}`);
    take(
      'framing',
      1,
      more
        ? `${bits(second)}: ${t('not masked, length in the next {more} bytes', { more })}`
        : `${bits(second)}: ${t('not masked, length {length}', { length })}`,
    );
    take('framing', more, t('length: {length}', { length }));
    take('payload', length, t('payload, {length} bytes', { length }));
  }
  return parts;
}

/** Returns how many bytes with the length follow. */
function extendedLength(short: number): 0 | 2 | 8 {
  if (short < 126) return 0;
  return short === 126 ? 2 : 8;
}

function bigEndian(bytes: Uint8Array): number {
  return Number(bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n));
}

function describeFrame(first: number): string {
  const flags = [first & 128 && 'FIN', first & 64 && 'RSV1: compressed'].filter(Boolean).join(', ');
  const opcode = first & 15;
  return `${flags || t('more frames follow')}, opcode ${opcode} (${OPCODES[opcode] ?? '–'})`;
}

/** Splits HTTP chunks (RFC 9112 §7.1), and the lines in them. */
function dissectChunks(bytes: Uint8Array, dissectLine: (line: Uint8Array) => Part[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = bytes.indexOf(NEWLINE, at) + 1;
    if (start === 0) {
      return [...parts, { kind: 'payload', bytes: bytes.subarray(at), title: t('the rest') }];
    }
    const size = bytes.subarray(at, start);
    const length = Number.parseInt(ascii(size), 16);
    const end = start + length;
    const title = length
      ? t('chunk size, in hex: {length} bytes', { length })
      : t('the last chunk');
    parts.push(
      { kind: 'framing', bytes: size, title },
      ...splitLines(bytes.subarray(start, end)).flatMap(dissectLine),
      { kind: 'framing', bytes: bytes.subarray(end, end + 2), title: t('end of the chunk') },
    );
    at = end + 2;
  }
  return parts;
}

/** The purpose of each field of an event. */
const EVENT_FIELDS: Record<string, Text> = {
  'id': 'the next Last-Event-ID',
  'event': 'the name of the event',
  'retry': 'how long to wait before a reconnect',
  '': 'a comment',
};

/** Splits a line of an event stream (WHATWG HTML §9.2.5). */
function dissectEventLine(line: Uint8Array): Part[] {
  const colon = line.indexOf(COLON);
  if (colon < 0) return [{ kind: 'field', bytes: line, title: t('a blank line ends the event') }];
  const name = ascii(line.subarray(0, colon));
  if (name !== 'data') {
    return [{ kind: 'field', bytes: line, title: explain(name, EVENT_FIELDS[name]) }];
  }
  const value = line[colon + 1] === SPACE ? colon + 2 : colon + 1;
  return [
    {
      kind: 'field',
      bytes: line.subarray(0, value),
      title: t('data: a line of the event’s data'),
    },
    { kind: 'payload', bytes: line.subarray(value, -1), title: t('the document') },
    { kind: 'field', bytes: line.subarray(-1), title: t('end of the line') },
  ];
}

function dissectJsonLine(line: Uint8Array): Part[] {
  return [
    { kind: 'payload', bytes: line.subarray(0, -1), title: t('the document') },
    { kind: 'framing', bytes: line.subarray(-1), title: t('end of the line') },
  ];
}

function explain(name: string, purpose: Text | undefined): string {
  return purpose ? `${name}: ${t(purpose)}` : name;
}

/** Splits bytes into lines, each with its line end. */
function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at) + 1 || bytes.length;
    lines.push(bytes.subarray(at, end));
    at = end;
  }
  return lines;
}

const ascii = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const bits = (byte: number) => byte.toString(2).padStart(8, '0');
