// The bytes that a document takes on the wire, by purpose. A test compares them with real traffic.

import type { Document, WireName } from '../client/index.ts';

export interface Bytes {
  /** The head of the response, once for each connection. */
  head: number;
  /** Everything around the documents: chunks, fields, frame headers. */
  framing: number;
  /** The documents. */
  payload: number;
}

/**
 * Computes the bytes of a document that arrived as `text`.
 * They are those of HTTP/1.1 without compression, with a chunk or frame for each document.
 */
export function bytesOf(wire: WireName, text: string, document: Document): Bytes {
  const payload = byteLength(text);
  if (wire === 'ws') return { head: 0, framing: frameHeader(payload), payload };
  const lines = wire === 'chunked' ? '\n'.length : eventLines(document);
  const size = (payload + lines).toString(16).length;
  return { head: 0, framing: lines + size + '\r\n\r\n'.length, payload };
}

/** The length of an unmasked frame header (RFC 6455 §5.2). */
function frameHeader(payload: number): number {
  if (payload < 126) return 2;
  return payload < 65536 ? 4 : 10;
}

/**
 * The bytes of an event's lines without its document.
 * The `retry` line of a hello is left out: the browser does not pass it to the page.
 */
function eventLines(document: Document): number {
  const name = document.event === 'message' ? 0 : `event: ${document.event}\n`.length;
  const id = 'id' in document && document.id ? `id: ${document.id}\n`.length : 0;
  return name + 'data: \n'.length + id + '\n'.length;
}

const encoder = new TextEncoder();

function byteLength(text: string): number {
  // Nearly all texts are ASCII and need no encoding to be measured.
  return /[^ -~]/.test(text) ? encoder.encode(text).length : text.length;
}
