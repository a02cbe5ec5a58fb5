// What each byte of a message on the wire is for.

import type { WireName } from '../client/index.js';
import { type Text, t } from '../text/index.js';

/** What a byte belongs to. */
export type Kind = 'framing' | 'field' | 'payload';

export interface Part {
  kind: Kind;
  bytes: Uint8Array;
  /** What it is, for whoever points at it. */
  title: string;
  /** It is not text, whatever it looks like. */
  binary?: boolean;
}

const OPCODES: Record<number, string> = {
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};

/** Takes apart what the gateway sends. */
export function dissect(wire: WireName, bytes: Uint8Array): Part[] {
  return wire === 'ws' ? frames(bytes) : chunks(bytes, wire === 'sse' ? sseLine : jsonLine);
}

/** Why each field of a stream's head is there. */
const FIELDS: Record<string, Text> = {
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

/** Takes apart the head of an answer (RFC 9112 §4). */
export function headOf(bytes: Uint8Array): Part[] {
  return linesOf(bytes).map((line, at) => {
    const name = ascii(line).split(':')[0]!;
    const why = FIELDS[name];
    const title =
      at === 0
        ? t('the status')
        : why
          ? `${name}: ${t(why)}`
          : line.length > 2
            ? name
            : t('the end of the head');
    return { kind: at === 0 || line.length === 2 ? 'framing' : 'field', bytes: line, title };
  });
}

/** How many bytes there are of each kind. */
export function weigh(parts: Part[]): Record<Kind, number> {
  const sum = { framing: 0, field: 0, payload: 0 };
  for (const { kind, bytes } of parts) sum[kind] += bytes.length;
  return sum;
}

/** Frames of RFC 6455 §5.2, as a server sends them: not masked. */
function frames(bytes: Uint8Array): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [first = 0, second = 0] = bytes.subarray(at, at + 2);
    const opcode = first & 15;
    const short = second & 127;
    const more = short === 126 ? 2 : short === 127 ? 8 : 0;
    const length =
      more === 0
        ? short
        : Number(
            bytes
              .subarray(at + 2, at + 2 + more)
              .reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
          );
    const take = (kind: Kind, count: number, title: string) => {
      if (count > 0)
        parts.push({
          kind,
          bytes: bytes.subarray(at, at + count),
          title,
          binary: kind === 'framing',
        });
      at += count;
    };
    const flags = [first & 128 && 'FIN', first & 64 && 'RSV1: compressed']
      .filter(Boolean)
      .join(', ');
    take(
      'framing',
      1,
      `${bits(first)}: ${flags || t('more frames follow')}, opcode ${opcode} (${OPCODES[opcode] ?? '–'})`,
    );
    take(
      'framing',
      1,
      `${bits(second)}: ${more ? t('not masked, length in the next {more} bytes', { more }) : t('not masked, length {length}', { length: short })}`,
    );
    take('framing', more, t('length: {length}', { length }));
    take('payload', length, t('payload, {length} bytes', { length }));
  }
  return parts;
}

/** Chunks of RFC 9112 §7.1, with lines in them. */
function chunks(bytes: Uint8Array, line: (text: Uint8Array) => Part[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at) + 1;
    if (end === 0)
      return [...parts, { kind: 'payload', bytes: bytes.subarray(at), title: t('the rest') }];
    const length = parseInt(ascii(bytes.subarray(at, end)), 16);
    parts.push({
      kind: 'framing',
      bytes: bytes.subarray(at, end),
      title: length ? t('chunk size, in hex: {length} bytes', { length }) : t('the last chunk'),
    });
    at = end;
    parts.push(...linesOf(bytes.subarray(at, at + length)).flatMap(line));
    at += length;
    parts.push({
      kind: 'framing',
      bytes: bytes.subarray(at, at + 2),
      title: t('end of the chunk'),
    });
    at += 2;
  }
  return parts;
}

/** A line of an event stream (WHATWG HTML §9.2.5). */
function sseLine(text: Uint8Array): Part[] {
  const colon = text.indexOf(58);
  if (colon < 0) return [{ kind: 'field', bytes: text, title: t('a blank line ends the event') }];
  const name = ascii(text.subarray(0, colon));
  const value = text[colon + 1] === 32 ? colon + 2 : colon + 1;
  const why = LINES[name];
  if (name !== 'data')
    return [{ kind: 'field', bytes: text, title: why ? `${name}: ${t(why)}` : name }];
  return [
    {
      kind: 'field',
      bytes: text.subarray(0, value),
      title: t('data: a line of the event’s data'),
    },
    { kind: 'payload', bytes: text.subarray(value, -1), title: t('the document') },
    { kind: 'field', bytes: text.subarray(-1), title: t('end of the line') },
  ];
}

const LINES: Record<string, Text> = {
  'id': 'the next Last-Event-ID',
  'event': 'the name of the event',
  'retry': 'how long to wait before a reconnect',
  '': 'a comment',
};

function jsonLine(text: Uint8Array): Part[] {
  return [
    { kind: 'payload', bytes: text.subarray(0, -1), title: t('the document') },
    { kind: 'framing', bytes: text.subarray(-1), title: t('end of the line') },
  ];
}

/** Each with its end. */
function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at) + 1 || bytes.length;
    lines.push(bytes.subarray(at, end));
    at = end;
  }
  return lines;
}

const ascii = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const bits = (byte: number) => byte.toString(2).padStart(8, '0');
