// Publishes test messages: at a fixed rate and size, or as a burst.

export interface Load {
  /** Messages a second. */
  rate: number;
  /** Bytes of data in each message. */
  size: number;
  json: boolean;
}

/** A message of the load generator. */
export interface TestMessage {
  /** Identifies the message when it arrives. */
  tag: string;
  data: unknown;
}

/** Publishes messages, timed or not; rejects with the reason if the gateway refuses them. */
export type Publish = (messages: TestMessage[], timed: boolean) => Promise<void>;

/** The least milliseconds between two requests; higher rates put several messages into one. */
const MIN_INTERVAL_MS = 20;
/** The most concurrent requests; the page needs some of the browser's six connections itself. */
const MAX_CONCURRENT = 3;

export class LoadGenerator {
  readonly #publish: Publish;
  #timer: ReturnType<typeof setInterval> | undefined;
  #pending = 0;
  #next = 1;
  /** The reason why publishing stopped, if it failed. */
  failure: string | null = null;
  /** Messages that the gateway has accepted. */
  published = 0;

  /** `onChange` is called at each start and stop. */
  constructor(
    publish: Publish,
    readonly onChange: () => void,
  ) {
    this.#publish = publish;
  }

  get running(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether requests are pending. */
  get busy(): boolean {
    return this.#pending > 0;
  }

  start(load: Load): void {
    clearInterval(this.#timer);
    this.failure = null;
    const began = performance.now();
    let sent = 0;
    const step = () => {
      const due = Math.floor(((performance.now() - began) * load.rate) / 1000) + 1 - sent;
      if (due <= 0 || this.#pending >= MAX_CONCURRENT) return;
      // A backlog of more than a second, as of a tab in the background, is dropped.
      const count = Math.min(due, Math.max(1, Math.ceil(load.rate)));
      sent += due;
      void this.#send(count, load, true);
    };
    const interval = Math.max(MIN_INTERVAL_MS, Math.min(1000 / load.rate, 1000));
    this.#timer = setInterval(step, interval);
    step();
    this.onChange();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.onChange();
  }

  /**
   * Publishes `count` messages at once; returns whether the gateway accepted them.
   * They are not timed: the page handles its wires one after the other, and the time that a large
   * burst waits for that would count as latency.
   */
  burst(count: number, load: Load): Promise<boolean> {
    return this.#send(count, load, false);
  }

  /** Makes a message that differs from all others of this page. */
  nextMessage(load: Load): TestMessage {
    const message = testMessage(this.#next, load);
    this.#next += 1;
    return message;
  }

  /** Publishes a message; rejects with the reason if the gateway refuses it. */
  publishOne(message: TestMessage): Promise<void> {
    return this.#publish([message], false);
  }

  async #send(count: number, load: Load, timed: boolean): Promise<boolean> {
    this.#pending += 1;
    try {
      const messages = Array.from({ length: count }, () => this.nextMessage(load));
      await this.#publish(messages, timed);
      this.published += count;
      return true;
    } catch (error) {
      this.failure = (error as Error).message;
      this.stop();
      return false;
    } finally {
      this.#pending -= 1;
    }
  }
}

const FILLER = 'the quick brown fox jumps over the lazy dog ';
/** Distinguishes the messages of this page from those of other pages. */
const RUN = Math.random().toString(36).slice(2, 6).padEnd(4, '0');

/** Makes message number `n` with `size` bytes of data, or more if its tag alone needs more. */
export function testMessage(n: number, { size, json }: Pick<Load, 'size' | 'json'>): TestMessage {
  const tag = `${RUN}.${n}`;
  const empty = json ? JSON.stringify({ tag, text: '' }) : `${tag} `;
  const space = Math.max(0, size - empty.length);
  const text = FILLER.repeat(Math.ceil(space / FILLER.length)).slice(0, space);
  return { tag, data: json ? { tag, text } : empty + text };
}

/** Returns the tag of data that this page's load generator has made, else null. */
export function tagOf(data: unknown): string | null {
  const tag = possibleTag(data);
  return typeof tag === 'string' && tag.startsWith(`${RUN}.`) ? tag : null;
}

function possibleTag(data: unknown): unknown {
  if (typeof data === 'string') return data.slice(0, data.indexOf(' '));
  return typeof data === 'object' && data !== null && 'tag' in data ? data.tag : null;
}
