// The figures of one wire: messages, latencies, reconnects, gaps, order and bytes.

import {
  type Document,
  type Gap,
  type Hello,
  isMessage,
  type Message,
  parseId,
  type WireName,
} from '../client/index.ts';
import { Histogram } from './histogram.ts';
import { tagOf } from './load-generator.ts';
import { type Bytes, bytesOf } from './overhead.ts';
import { Sample } from './sample.ts';
import { Timeline } from './timeline.ts';

/** Milliseconds over which the current rate is averaged. */
const RATE_WINDOW_MS = 2000;
/** Milliseconds of a slot of that window. */
const RATE_SLOT_MS = 100;
/** Sequence numbers to remember in order to detect duplicates. */
const MAX_SEQS = 1024;

export class Meter {
  messages = 0;
  /** Milliseconds from the first attempt to the first document. */
  firstByte: number | null = null;
  reconnects = 0;
  /** The length of the last outage in milliseconds. */
  away: number | null = null;
  /** Messages that were published before a reconnect and arrived after it. */
  replayed = 0;
  /** Reported gaps, and the messages in them, as far as known. */
  gaps = 0;
  lost = 0;
  /** Messages that arrived after a later one. */
  disordered = 0;
  /** Messages that arrived more than once. */
  repeated = 0;
  /** Messages of this page's load generator. */
  own = 0;
  /** Bytes of framing around messages, without control documents. */
  around = 0;
  readonly bytes: Bytes = { head: 0, framing: 0, payload: 0 };
  readonly latency = new Histogram();
  /** The same latencies as raw values. */
  readonly latencies = new Sample();
  readonly timeline = new Timeline();
  #headSize = 0;
  #connections = 0;
  #connectingSince = 0;
  #interruptedAt: number | null = null;
  #rewound = false;
  #hello: Hello | null = null;
  #jitter = 0;
  #lastLatency: number | null = null;
  #epoch = '';
  #seqs: number[] = [];
  readonly #recent: { slot: number; count: number }[] = [];

  constructor(readonly wire: WireName) {}

  /** The size of the response head of each connection, once it is known. */
  set head(size: number) {
    this.#headSize = size;
    this.bytes.head = size * this.#connections;
  }

  /** Notes the start of the first attempt. */
  connecting(now: number): void {
    this.#connectingSince = now;
  }

  /** Notes that the stream is lost and will reconnect. */
  interrupted(now: number): void {
    // A stream that has never been open cannot be interrupted.
    if (this.#connections) this.#interruptedAt ??= now;
    this.#rewound = false;
  }

  /** Counts the bytes and the order of any document, duplicates included. */
  countDocument(text: string, document: Document, now: number): void {
    this.firstByte ??= now - this.#connectingSince;
    const { framing, payload } = bytesOf(this.wire, text, document);
    this.bytes.framing += framing;
    this.bytes.payload += payload;
    if (!isMessage(document)) return;
    // A snapshot has the id of the last message that is in it.
    if (document.event !== 'tricast.llm.snapshot') this.#checkOrder(document.id);
    this.around += framing;
  }

  #checkOrder(id: string) {
    const { epoch, seq } = parseId(id);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#seqs = [];
    }
    if (seq > (this.#seqs.at(-1) ?? -1)) this.#seqs.push(seq);
    else if (this.#seqs.includes(seq)) this.repeated += 1;
    else this.disordered += 1;
    if (this.#seqs.length > 2 * MAX_SEQS) this.#seqs = this.#seqs.slice(-MAX_SEQS);
  }

  /** Notes the start of a connection. */
  hello(hello: Hello, now: number): void {
    this.#hello = hello;
    this.#connections += 1;
    this.bytes.head += this.#headSize;
    if (this.#interruptedAt === null) return;
    this.reconnects += 1;
    this.away = now - this.#interruptedAt;
    this.#interruptedAt = null;
  }

  gap({ first, last }: Gap): void {
    this.gaps += 1;
    if (first !== null && last !== null) this.lost += last - first + 1;
  }

  /** Counts a message; returns whether it is live and not replayed. */
  countMessage(message: Message, now: number): boolean {
    this.messages += 1;
    if (tagOf(message.data)) this.own += 1;
    this.#countRecent(now, 1);
    const live = !this.#hello || message.time >= this.#hello.time;
    if (!live && !this.#rewound) this.replayed += 1;
    return live;
  }

  /** Adds the latency of a message of this page. */
  addLatency(ms: number, now: number): void {
    this.latency.add(ms);
    this.latencies.add(ms);
    this.timeline.add(ms, now);
    if (this.#lastLatency !== null) {
      // RFC 3550 §6.4.1 and appendix A.8: a running mean that adopts a sixteenth of each change.
      this.#jitter += (Math.abs(ms - this.#lastLatency) - this.#jitter) / 16;
    }
    this.#lastLatency = ms;
  }

  /** The mean difference between successive latencies in milliseconds. */
  get jitter(): number | null {
    return this.latency.count > 1 ? this.#jitter : null;
  }

  /** Forgets the messages after `id`, which will arrive again. */
  rewind(id: string): void {
    const { epoch, seq } = parseId(id);
    this.#rewound = true;
    if (epoch !== this.#epoch) return;
    const kept = this.#seqs.filter((known) => known <= seq);
    this.messages -= this.#seqs.length - kept.length;
    this.#seqs = kept;
  }

  /** Returns the current rate in messages a second. */
  rate(now: number): number {
    this.#countRecent(now, 0);
    const total = this.#recent.reduce((sum, { count }) => sum + count, 0);
    return (1000 * total) / RATE_WINDOW_MS;
  }

  #countRecent(now: number, count: number) {
    const slot = Math.floor(now / RATE_SLOT_MS) * RATE_SLOT_MS;
    const newest = this.#recent.at(-1);
    if (newest?.slot === slot) newest.count += count;
    else if (count) this.#recent.push({ slot, count });
    while (this.#recent[0] && this.#recent[0].slot < now - RATE_WINDOW_MS) this.#recent.shift();
  }
}
