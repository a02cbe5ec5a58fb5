// What one wire has done so far, in figures.

import {
  type Document,
  type Gap,
  type Hello,
  isMessage,
  type Message,
  parseId,
  type WireName,
} from '../client/index.js';
import { Histogram } from './histogram.js';
import { tagOf } from './load-generator.js';
import { type Bytes, bytesOf } from './overhead.js';
import { Timeline } from './timeline.js';

/** Milliseconds over which the present rate is taken. */
const WINDOW = 2000;
/** Of so many messages it is known that they have come, for who goes back behind some of them. */
const KNOWN = 1024;

export class Meter {
  messages = 0;
  /** Milliseconds from the first try to the first document. */
  firstByte: number | null = null;
  /** How often it came back, and the milliseconds that it was away the last time. */
  reconnects = 0;
  away: number | null = null;
  /** Messages that came behind a reconnect, and were published before it. */
  replayed = 0;
  /** Gaps that were told, and the messages that they may have held, as far as it is known. */
  gaps = 0;
  lost = 0;
  /** Messages that came behind a later one, and that came a second time. */
  disordered = 0;
  repeated = 0;
  /** Messages that this page has published by itself. */
  own = 0;
  /** Bytes around the messages, without control frames. */
  around = 0;
  readonly bytes: Bytes = { head: 0, framing: 0, payload: 0 };
  readonly latency = new Histogram();
  readonly timeline = new Timeline();
  #head = 0;
  #connections = 0;
  #opening = 0;
  #left: number | null = null;
  #rewound = false;
  #hello: Hello | null = null;
  #jitter = 0;
  #before: number | null = null;
  #seqs: number[] = [];
  #epoch = '';
  #recent: [at: number, count: number][] = [];

  constructor(readonly wire: WireName) {}

  /** The size of the head with which each connection begins, once it is known. */
  set head(size: number) {
    this.#head = size;
    this.bytes.head = size * this.#connections;
  }

  /** Tries to open. */
  opening(now: number): void {
    this.#opening = now;
  }

  /** The stream is gone, and is to come back. */
  interrupted(now: number): void {
    // What has not begun yet is not interrupted.
    if (this.#connections) this.#left ??= now;
    this.#rewound = false;
  }

  /** Any document has come, whether it is passed on or not. */
  heard(text: string, document: Document, now: number): void {
    this.firstByte ??= now - this.#opening;
    if (isMessage(document)) this.#order(document.id);
    const { framing, payload } = bytesOf(this.wire, text, document);
    this.bytes.framing += framing;
    this.bytes.payload += payload;
    if (isMessage(document)) this.around += framing;
  }

  #order(id: string) {
    const { epoch, seq } = parseId(id);
    if (epoch !== this.#epoch) [this.#epoch, this.#seqs] = [epoch, []];
    if (seq > (this.#seqs.at(-1) ?? -1)) this.#seqs.push(seq);
    else if (this.#seqs.includes(seq)) this.repeated += 1;
    else this.disordered += 1;
    if (this.#seqs.length > 2 * KNOWN) this.#seqs = this.#seqs.slice(-KNOWN);
  }

  /** A connection has begun. */
  hello(hello: Hello, now: number): void {
    this.#hello = hello;
    this.#connections += 1;
    this.bytes.head += this.#head;
    if (this.#left === null) return;
    this.reconnects += 1;
    this.away = now - this.#left;
    this.#left = null;
  }

  gap({ first, last }: Gap): void {
    this.gaps += 1;
    if (first !== null && last !== null) this.lost += last - first + 1;
  }

  /** A message has come; whether it came live. */
  took(message: Message, now: number): boolean {
    this.messages += 1;
    if (tagOf(message.data)) this.own += 1;
    this.#tick(now);
    const live = !this.#hello || message.time >= this.#hello.time;
    if (!live && !this.#rewound) this.replayed += 1;
    return live;
  }

  /** A message of this page's own took so long to come back. */
  timed(ms: number, now: number): void {
    this.latency.add(ms);
    this.timeline.add(ms, now);
    // RFC 3550 §6.4.1 and appendix A.8: a sixteenth of each change is taken over.
    if (this.#before !== null) this.#jitter += (Math.abs(ms - this.#before) - this.#jitter) / 16;
    this.#before = ms;
  }

  /** How much one latency differs from the next, in milliseconds: a running mean. */
  get jitter(): number | null {
    return this.latency.count > 1 ? this.#jitter : null;
  }

  /** It will hear again what came after `id`. */
  rewind(id: string): void {
    const { epoch, seq } = parseId(id);
    this.#rewound = true;
    if (epoch !== this.#epoch) return;
    const keep = this.#seqs.filter((known) => known <= seq);
    this.messages -= this.#seqs.length - keep.length;
    this.#seqs = keep;
  }

  /** Messages in a second, of late. */
  rate(now: number): number {
    this.#tick(now, 0);
    const count = this.#recent.reduce((sum, [, count]) => sum + count, 0);
    return (1000 * count) / WINDOW;
  }

  #tick(now: number, count = 1) {
    const slot = Math.floor(now / 100) * 100;
    const newest = this.#recent.at(-1);
    if (newest?.[0] === slot) newest[1] += count;
    else if (count) this.#recent.push([slot, count]);
    while (this.#recent[0] && this.#recent[0][0] < now - WINDOW) this.#recent.shift();
  }
}
