// One subscription, over whichever wire works: it comes back, goes on where it was, and passes nothing on twice.

import { pauseBefore } from './backoff.js';
import { lines, whyNot } from './chunked.js';
import {
  type Control,
  type Document,
  type Goodbye,
  isMessage,
  type Message,
  type Problem,
  parts,
  type WireName,
} from './document.js';
import { eventSource } from './eventsource.js';
import { socket } from './websocket.js';
import type { Line, Refusal, Wire } from './wire.js';

const WIRES: Record<WireName, Wire> = { ws: socket, sse: eventSource, chunked: lines };

/** Milliseconds after which a connection counts as one that works. */
const SETTLED = 5000;
/** Milliseconds that the gateway has to say why it refuses. */
const ANSWER = 5000;

export type State = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface Options {
  /** The gateway, with its base path; by default where the page comes from. */
  gateway?: string | URL;
  channel: string | string[];
  /** Tried in this order, until one works. */
  wires?: WireName[];
  /** Where to begin: `earliest`, `latest`, a number of messages, or an id. */
  since?: string | number;
  /** The same client on all wires and after each reconnect: 16 to 64 of `A-Z a-z 0-9 _ -`. */
  client?: string;
  /** Asked before each connection. */
  token?: () => string | Promise<string>;
  /** Whether to hear changes of the online counts. */
  online?: boolean;
  /** Names of events, of which an EventSource hears only those that it is told; asked before each connection. */
  events?: Iterable<string>;
  /** Milliseconds that a wire has to say hello. Behind a proxy that buffers it never does. */
  patience?: number;
  /** Every document as the text that came, with those that are not passed on; for whoever measures. */
  heard?: (text: string, document: Document, wire: WireName) => void;
  message?: (message: Message, wire: WireName) => void;
  control?: (control: Control, wire: WireName) => void;
  /** `problem` says why a connection has closed for good, if the gateway has said so. */
  state?: (state: State, wire: WireName, problem?: Problem) => void;
}

/** How one try has ended. */
interface Outcome {
  /** The wire works: it has said hello. */
  hello: boolean;
  goodbye: Goodbye | null;
  refused: Refusal | null;
}

/** Opens a connection; it lives until `close`, or until the gateway says that it is over for good. */
export function connect(options: Options): Connection {
  return new Connection(options);
}

export class Connection {
  /** The cursor: where it would go on. */
  last: string | null = null;
  /** Messages that came a second time, and were not passed on. */
  repeated = 0;
  state: State = 'connecting';
  #options: Options;
  #wires: Wire[];
  #at = 0;
  #line: Line | null = null;
  #closed = false;
  #wake: () => void = () => {};

  constructor(options: Options) {
    this.#options = options;
    this.#wires = (options.wires ?? ['ws', 'sse', 'chunked']).map((name) => WIRES[name]);
    void this.#live();
  }

  /** The wire that is open, or tried. */
  get wire(): WireName {
    return this.#wires[this.#at]!.name;
  }

  /** Says something on a WebSocket: PROTOCOL.md §7. False on a wire that only listens. */
  send(command: object): boolean {
    if (this.state !== 'live' || !this.#line?.send) return false;
    this.#line.send(command);
    return true;
  }

  /** Ends the line as a network does that fails. It comes back by itself; while it waits for that, at once. */
  drop(): void {
    this.#wake();
  }

  /** Stops to read, or goes on. False on a wire that the browser reads whether the page wants it or not. */
  hold(held: boolean): boolean {
    this.#line?.hold?.(held);
    return this.#line?.hold !== undefined;
  }

  /** For good. Nothing is told after that. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.#tell('closed');
  }

  async #live() {
    let failures = 0;
    let problem: Problem | undefined;
    while (!this.#closed) {
      this.#tell(failures || this.last ? 'reconnecting' : 'connecting');
      const began = performance.now();
      // A token that cannot be had now may be had later.
      const outcome = await this.#attempt().catch(
        (): Outcome => ({ hello: false, goodbye: null, refused: null }),
      );
      if (!outcome.hello && !this.#closed) outcome.refused ??= await this.#whyNot();
      if (this.#closed) return;
      problem = outcome.refused?.problem;
      if (outcome.goodbye?.reconnect === 'never' || (outcome.refused && !outcome.refused.passes))
        break;
      // What ends as soon as it has begun is no success.
      failures = outcome.hello && performance.now() - began > SETTLED ? 0 : failures + 1;
      this.#tell('reconnecting');
      // One that has worked is worth a few more tries.
      if (!outcome.hello) this.#at = (this.#at + 1) % this.#wires.length;
      await this.#pause(outcome, failures);
    }
    if (this.#closed) return;
    this.#closed = true;
    this.#tell('closed', problem);
  }

  /** Opens the wire, and waits for its end. */
  async #attempt(): Promise<Outcome> {
    const address = this.#address();
    const token = await this.#options.token?.();
    if (this.#closed) return { hello: false, goodbye: null, refused: null };
    return new Promise((resolve) => {
      const outcome: Outcome = { hello: false, goodbye: null, refused: null };
      const end = (refused: Refusal | null) => {
        clearTimeout(patience);
        this.#line?.close();
        this.#line = null;
        resolve({ ...outcome, refused });
      };
      const patience = setTimeout(() => {
        if (!outcome.hello) end(null);
      }, this.#options.patience ?? 8000);
      this.#wake = () => end(null);
      const document = (document: Document, text: string) => {
        if (this.#closed) return;
        guarded(() => this.#options.heard?.(text, document, this.wire));
        if (document.event === 'tricast.hello') {
          [outcome.hello, outcome.goodbye] = [true, null];
          this.#tell('live');
        }
        if (document.event === 'tricast.goodbye') outcome.goodbye = document as Goodbye;
        this.#take(document);
        // An EventSource would come back for ever.
        if (outcome.goodbye?.reconnect === 'never') end(null);
      };
      const ears = { document, closed: end, interrupted: () => this.#tell('reconnecting') };
      this.#line = this.#wires[this.#at]!.open({
        address,
        token,
        ears,
        names: this.#options.events ?? [],
      });
    });
  }

  #take(document: Document) {
    const { message, control } = this.#options;
    if (!isMessage(document)) {
      // A silent stream's cursor moves too, with each tricast.alive.
      if ('id' in document && typeof document.id === 'string') this.last = document.id;
      guarded(() => control?.(document, this.wire));
      return;
    }
    const [own, its] = [this.last && parts(this.last), parts(document.id)];
    if (own && own.epoch === its.epoch && its.seq <= own.seq) {
      this.repeated += 1;
      return;
    }
    this.last = document.id;
    guarded(() => message?.(document, this.wire));
  }

  /** EventSource and WebSocket keep to themselves why they were refused. Asked for only when there is nothing else to try. */
  async #whyNot(): Promise<Refusal | null> {
    const isLast = this.#at === this.#wires.length - 1;
    if (!isLast || this.wire === 'chunked') return null;
    const cancel = new AbortController();
    this.#wake = () => cancel.abort();
    const patience = setTimeout(this.#wake, ANSWER);
    // A WebSocket's own path has nothing to say to a fetch.
    const address = this.#address(this.wire === 'ws' ? 'chunked' : this.wire);
    try {
      return await whyNot({ address, token: await this.#options.token?.(), signal: cancel.signal });
    } catch {
      return null;
    } finally {
      clearTimeout(patience);
    }
  }

  #address(wire = this.wire): URL {
    const { gateway, channel, since, client, online } = this.#options;
    const base = new URL(gateway ?? '.', globalThis.document?.baseURI ?? globalThis.location?.href);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    const channels = [channel].flat().map(encodeURIComponent).join(',');
    const address = new URL(`${wire}/${channels}`, base);
    const add = (name: string, value: string | undefined) => {
      if (value) address.searchParams.set(name, value);
    };
    const begin = since === undefined ? undefined : String(since);
    const isId = begin?.includes('-');
    if (this.last || isId) add('last_event_id', this.last ?? begin);
    else add('since', begin);
    add('client', client);
    add('online', online ? 'true' : undefined);
    return address;
  }

  async #pause({ hello, goodbye }: Outcome, failures: number) {
    if (goodbye?.reconnect === 'now') return;
    // A wire that does not work is no reason to wait for the next, until all have been tried.
    if (!hello && failures < this.#wires.length) return;
    const pause =
      goodbye?.retry ??
      pauseBefore(Math.max(1, hello ? failures : failures - this.#wires.length + 1));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tell(state: State, problem?: Problem) {
    if (state === this.state) return;
    this.state = state;
    guarded(() => this.#options.state?.(state, this.wire, problem));
  }
}

/** What the page does with it is no reason for the stream to end: its fault is reported like any other of the page. */
function guarded(call: () => void) {
  try {
    call();
  } catch (error) {
    reportError(error);
  }
}
