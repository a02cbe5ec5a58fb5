// A subscription over the first wire that works: it reconnects, resumes, and drops duplicates.

import { backoffDelay } from './backoff.ts';
import { chunked, fetchRefusal } from './chunked.ts';
import {
  type Control,
  type Document,
  type Goodbye,
  isMessage,
  type Message,
  type Problem,
  parseId,
  type WireName,
} from './document.ts';
import { eventSource } from './eventsource.ts';
import { webSocket } from './websocket.ts';
import type { Refusal, Wire, WireHandlers, WireStream } from './wire.ts';

const WIRES: Record<WireName, Wire> = { ws: webSocket, sse: eventSource, chunked };

/** Milliseconds after which a connection counts as stable. */
const STABLE_MS = 5000;
/** Milliseconds to wait for the hello of a stream. */
const HELLO_TIMEOUT_MS = 8000;
/** Milliseconds to wait for the reason of a refusal. */
const REFUSAL_TIMEOUT_MS = 5000;

export type State = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface Options {
  /** The URL of the gateway with its base path; by default the location of the page. */
  gateway?: string | URL;
  channel: string | string[];
  /** The wires to try, in this order, until one works. */
  wires?: WireName[];
  /** The position to start at: `earliest`, `latest`, `compact`, a number of messages, or an id. */
  since?: string | number;
  /** A client id for all wires and reconnects: 16 to 64 of `A-Z a-z 0-9 _ -`. */
  client?: string;
  /** Called before each attempt. */
  token?: () => string | Promise<string>;
  /** Subscribes to changes of the online counts. */
  online?: boolean;
  /** The event names that an EventSource subscribes to; read before each attempt. */
  events?: Iterable<string>;
  /** Milliseconds to wait for a hello; behind a buffering proxy it never arrives. */
  helloTimeout?: number;
  /** Receives every document with its text, duplicates included. */
  onDocument?: (text: string, document: Document, wire: WireName) => void;
  onMessage?: (message: Message, wire: WireName) => void;
  onControl?: (control: Control, wire: WireName) => void;
  /** `problem` is the gateway's reason for closing the connection for good, if it gave one. */
  onState?: (state: State, wire: WireName, problem?: Problem) => void;
}

/** The result of one attempt. */
interface Outcome {
  /** The wire works: a hello arrived. */
  hello: boolean;
  goodbye: Goodbye | null;
  refusal: Refusal | null;
}

const noOutcome = (): Outcome => ({ hello: false, goodbye: null, refusal: null });

/** Opens a connection that lives until `close`, or until the gateway closes it for good. */
export function connect(options: Options): Connection {
  return new Connection(options);
}

export class Connection {
  /** The position that a reconnect resumes from. */
  last: string | null = null;
  /** The number of duplicates that were dropped. */
  repeated = 0;
  state: State = 'connecting';
  readonly #options: Options;
  readonly #wires: Wire[];
  #wireIndex = 0;
  #stream: WireStream | null = null;
  #closed = false;
  /** Ends the current attempt or delay. */
  #interrupt: () => void = () => {};

  constructor(options: Options) {
    this.#options = options;
    this.#wires = (options.wires ?? ['ws', 'sse', 'chunked']).map((name) => WIRES[name]);
    void this.#run();
  }

  /** The name of the wire that is open or being tried. */
  get wire(): WireName {
    return this.#wire.name;
  }

  get #wire(): Wire {
    const wire = this.#wires[this.#wireIndex];
    if (!wire) throw new Error('name at least one wire');
    return wire;
  }

  /** Sends a command (PROTOCOL.md §7). Returns false unless a WebSocket is live. */
  send(command: object): boolean {
    if (this.state !== 'live' || !this.#stream?.send) return false;
    this.#stream.send(command);
    return true;
  }

  /** Drops the stream as a failing network would; a pending delay ends at once. */
  drop(): void {
    this.#interrupt();
  }

  /** Stops reading or resumes it. Returns false on wires that the browser reads by itself. */
  setPaused(paused: boolean): boolean {
    this.#stream?.setPaused?.(paused);
    return this.#stream?.setPaused !== undefined;
  }

  /** Whether reading has stopped, after `setPaused(true)`. */
  get isHeld(): boolean {
    return this.#stream?.isHeld?.() ?? false;
  }

  /** Closes the connection for good; no callback is called after `closed`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#interrupt();
    this.#setState('closed');
  }

  async #run() {
    let failures = 0;
    let problem: Problem | undefined;
    while (!this.#closed) {
      this.#setState(failures || this.last ? 'reconnecting' : 'connecting');
      const began = performance.now();
      const outcome = await this.#attempt();
      if (this.#closed) return;
      problem = outcome.refusal?.problem;
      if (isFinal(outcome)) break;
      // A stream that ends right after its hello is a failure too.
      const stable = outcome.hello && performance.now() - began > STABLE_MS;
      failures = stable ? 0 : failures + 1;
      this.#setState('reconnecting');
      // A wire that has worked is tried again before the next one.
      if (!outcome.hello) this.#wireIndex = (this.#wireIndex + 1) % this.#wires.length;
      await this.#backOff(outcome, failures);
    }
    if (this.#closed) return;
    this.#closed = true;
    this.#setState('closed', problem);
  }

  /** Opens the wire, waits for the end of its stream, and finds out why it was refused. */
  async #attempt(): Promise<Outcome> {
    // A token that is not available now may be later.
    const outcome = await this.#runStream().catch(noOutcome);
    if (!outcome.hello && !this.#closed) outcome.refusal ??= await this.#fetchRefusal();
    return outcome;
  }

  async #runStream(): Promise<Outcome> {
    const url = this.#streamUrl();
    const token = await this.#options.token?.();
    if (this.#closed) return noOutcome();
    return new Promise((resolve) => {
      const outcome = noOutcome();
      const end = (refusal: Refusal | null) => {
        clearTimeout(timer);
        this.#stream?.close();
        this.#stream = null;
        resolve({ ...outcome, refusal });
      };
      const timer = setTimeout(() => {
        if (!outcome.hello) end(null);
      }, this.#options.helloTimeout ?? HELLO_TIMEOUT_MS);
      this.#interrupt = () => end(null);
      const handlers: WireHandlers = {
        document: (received, text) => {
          if (this.#closed) return;
          this.#receive(received, text, outcome);
          // An EventSource would reconnect forever.
          if (outcome.goodbye?.reconnect === 'never') end(null);
        },
        closed: end,
        interrupted: () => this.#setState('reconnecting'),
      };
      const events = this.#options.events ?? [];
      this.#stream = this.#wire.open({ url, token, handlers, events });
    });
  }

  #receive(received: Document, text: string, outcome: Outcome) {
    runCallback(() => this.#options.onDocument?.(text, received, this.wire));
    if (received.event === 'tricast.hello') {
      outcome.hello = true;
      outcome.goodbye = null;
      this.#setState('live');
    }
    if (received.event === 'tricast.goodbye') outcome.goodbye = received as Goodbye;
    if (isMessage(received)) this.#deliver(received);
    else this.#takeControl(received);
  }

  #takeControl(control: Control) {
    // tricast.alive moves the cursor of a stream that has no messages.
    if ('id' in control && typeof control.id === 'string') this.last = control.id;
    runCallback(() => this.#options.onControl?.(control, this.wire));
  }

  #deliver(message: Message) {
    const cursor = this.last ? parseId(this.last) : null;
    const { epoch, seq } = parseId(message.id);
    // A snapshot has the id of the last message that is in it.
    const least = message.event === 'tricast.llm.snapshot' ? seq + 1 : seq;
    if (cursor && cursor.epoch === epoch && least <= cursor.seq) {
      this.repeated += 1;
      return;
    }
    this.last = message.id;
    runCallback(() => this.#options.onMessage?.(message, this.wire));
  }

  /**
   * Asks by fetch why the stream was refused, because EventSource and WebSocket do not tell.
   * It asks only after the last wire has failed.
   */
  async #fetchRefusal(): Promise<Refusal | null> {
    const isLast = this.#wireIndex === this.#wires.length - 1;
    if (!isLast || this.wire === 'chunked') return null;
    const abort = new AbortController();
    this.#interrupt = () => abort.abort();
    const timer = setTimeout(this.#interrupt, REFUSAL_TIMEOUT_MS);
    // The path of WebSockets does not answer a fetch.
    const url = this.#streamUrl(this.wire === 'ws' ? 'chunked' : this.wire);
    try {
      const token = await this.#options.token?.();
      return await fetchRefusal({ url, token, signal: abort.signal });
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  #streamUrl(wire = this.wire): URL {
    const { gateway, channel, since, client, online } = this.#options;
    const page = globalThis.document?.baseURI ?? globalThis.location?.href;
    const base = new URL(gateway ?? '.', page);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    const channels = [channel].flat().map(encodeURIComponent).join(',');
    const url = new URL(`${wire}/${channels}`, base);
    const setParameter = (name: string, value: string | undefined) => {
      if (value) url.searchParams.set(name, value);
    };
    const start = since === undefined ? undefined : String(since);
    const isId = start?.includes('-');
    if (this.last || isId) setParameter('last_event_id', this.last ?? start);
    else setParameter('since', start);
    setParameter('client', client);
    setParameter('online', online ? 'true' : undefined);
    return url;
  }

  async #backOff({ hello, goodbye }: Outcome, failures: number) {
    if (goodbye?.reconnect === 'now') return;
    // No delay before a wire that has not been tried yet.
    if (!hello && failures < this.#wires.length) return;
    const rounds = hello ? failures : failures - this.#wires.length + 1;
    const delay = goodbye?.retry ?? backoffDelay(Math.max(1, rounds));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #setState(state: State, problem?: Problem) {
    if (state === this.state) return;
    this.state = state;
    runCallback(() => this.#options.onState?.(state, this.wire, problem));
  }
}

/** No further attempt makes sense. */
function isFinal({ goodbye, refusal }: Outcome): boolean {
  return goodbye?.reconnect === 'never' || (refusal !== null && !refusal.temporary);
}

/** Runs a callback of the page. Its exceptions are reported and do not end the stream. */
function runCallback(callback: () => void) {
  try {
    callback();
  } catch (error) {
    reportError(error);
  }
}
