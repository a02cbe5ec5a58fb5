// What goes over the wire for one document, by what it is for. Held against the gateway's own bytes by a test.

import type { Document, WireName } from '../client/index.js';

/** Bytes. */
export interface Bytes {
  /** The answer's head, once for each connection. */
  head: number;
  /** Around the documents: chunks, fields, frame headers. */
  framing: number;
  /** The documents. */
  payload: number;
}

/** A document that came as `text`: as it leaves the gateway over HTTP/1.1, not compressed, in a chunk or frame of its own. */
export function bytesOf(wire: WireName, text: string, document: Document): Bytes {
  const payload = lengthOf(text);
  if (wire === 'ws')
    return { head: 0, framing: payload < 126 ? 2 : payload < 65536 ? 4 : 10, payload };
  const lines = wire === 'chunked' ? 1 : fields(document);
  const size = (payload + lines).toString(16).length;
  return { head: 0, framing: lines + size + '\r\n\r\n'.length, payload };
}

/** The lines of an event but for its document, and for the `retry` of a hello, which a page never sees. */
function fields(document: Document): number {
  const name = document.event === 'message' ? 0 : `event: ${document.event}\n`.length;
  const id = 'id' in document && document.id ? `id: ${document.id}\n`.length : 0;
  return name + 'data: \n'.length + id + '\n'.length;
}

const encoder = new TextEncoder();

function lengthOf(text: string): number {
  // Nearly all are ASCII, and need no copy to be counted.
  return /^[\x00-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length;
}
