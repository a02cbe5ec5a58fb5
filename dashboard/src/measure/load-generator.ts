// Publishes by itself: so many messages a second, of such a size, or a number of them at once.

/** What is published. */
export interface Load {
  /** Messages a second. */
  rate: number;
  /** Bytes of each one's data. */
  size: number;
  json: boolean;
}

/** One message of its own. */
export interface Own {
  /** By which it is known when it comes back. */
  tag: string;
  data: unknown;
}

/** Publishes these, to be timed or not, and fails with the reason when the gateway does not take them. */
export type Publish = (messages: Own[], timed: boolean) => Promise<void>;

/** Milliseconds between two requests, at least: faster ones carry several messages. */
const TICK = 20;
/** Requests under way. A browser has six connections to a host, and this page uses some of them to listen. */
const AT_ONCE = 3;

export class Driver {
  #publish: Publish;
  #timer: ReturnType<typeof setInterval> | undefined;
  #underWay = 0;
  #next = 1;
  /** Why it has stopped, if it had to. */
  failure: string | null = null;
  /** Messages that the gateway has taken, and how many of them before the present run. */
  published = 0;
  before = 0;

  /** `changed` hears when it starts and stops. */
  constructor(
    publish: Publish,
    readonly changed: () => void,
  ) {
    this.#publish = publish;
  }

  get runs(): boolean {
    return this.#timer !== undefined;
  }

  /** Requests are under way. */
  get busy(): boolean {
    return this.#underWay > 0;
  }

  start(load: Load): void {
    clearInterval(this.#timer);
    this.failure = null;
    this.before = this.published;
    const began = performance.now();
    let sent = 0;
    const step = () => {
      const due = Math.floor(((performance.now() - began) * load.rate) / 1000) + 1 - sent;
      if (due <= 0 || this.#underWay >= AT_ONCE) return;
      // What could not be sent for a second, as in a tab in the background, is not made up for.
      const count = Math.min(due, Math.max(1, Math.ceil(load.rate)));
      sent += due;
      void this.#send(count, load);
    };
    this.#timer = setInterval(step, Math.max(TICK, Math.min(1000 / load.rate, 1000)));
    step();
    this.changed();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.changed();
  }

  /** Publishes `count` messages as fast as they go; whether the gateway took them. They are not timed: the page reads its wires one after the
   * other, and how long it takes for so many would be taken for theirs. */
  async burst(count: number, load: Load): Promise<boolean> {
    return this.#send(count, load, false);
  }

  async #send(count: number, load: Load, timed = true): Promise<boolean> {
    this.#underWay += 1;
    try {
      await this.#publish(
        Array.from({ length: count }, () => own(this.#next++, load)),
        timed,
      );
      this.published += count;
      return true;
    } catch (error) {
      this.failure = (error as Error).message;
      this.stop();
      return false;
    } finally {
      this.#underWay -= 1;
    }
  }
}

const FILLER = 'the quick brown fox jumps over the lazy dog ';
/** Tells this page's messages from those of others that do the same. */
const RUN = Math.random().toString(36).slice(2, 6).padEnd(4, '0');

/** Message number `n`, its data of exactly `size` bytes, unless its tag alone needs more. */
export function own(n: number, { size, json }: Pick<Load, 'size' | 'json'>): Own {
  const tag = `${RUN}.${n}`;
  const bare = json ? JSON.stringify({ tag, text: '' }) : `${tag} `;
  const room = Math.max(0, size - bare.length);
  const text = FILLER.repeat(Math.ceil(room / FILLER.length)).slice(0, room);
  return { tag, data: json ? { tag, text } : bare + text };
}

/** The tag of data that this page has published by itself. */
export function tagOf(data: unknown): string | null {
  const tag =
    typeof data === 'string'
      ? data.slice(0, data.indexOf(' '))
      : typeof data === 'object' && data !== null && 'tag' in data
        ? data.tag
        : null;
  return typeof tag === 'string' && tag.startsWith(`${RUN}.`) ? tag : null;
}
