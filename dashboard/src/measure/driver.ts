// Publishes by itself: so many messages a second, of such a size, or a number of them at once.

/** What is published. */
export interface Load {
  /** Messages a second. */
  rate: number;
  /** Bytes of each one's data. */
  size: number;
  json: boolean;
}

/** Publishes these values, and fails with the reason when the gateway does not take them. */
export type Publish = (values: unknown[]) => Promise<void>;

/** Milliseconds between two requests, at least: faster ones carry several messages. */
const TICK = 20;
/** Requests under way. A browser has six connections to a host, and this page uses some of them to listen. */
const AT_ONCE = 3;

export class Driver {
  #publish: Publish;
  #timer: ReturnType<typeof setInterval> | undefined;
  #underWay = 0;
  #next = 1;
  /** Messages that the gateway has taken, and how many of them before the present run. */
  published = 0;
  before = 0;

  /** `changed` hears when it starts and stops, and why if it had to. */
  constructor(publish: Publish, readonly changed: (failure?: string) => void) {
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

  stop(failure?: string): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.changed(failure);
  }

  /** Publishes `count` messages as fast as they go. */
  async burst(count: number, load: Load): Promise<void> {
    await this.#send(count, load);
  }

  async #send(count: number, load: Load) {
    this.#underWay += 1;
    try {
      await this.#publish(Array.from({ length: count }, () => value(this.#next++, load)));
      this.published += count;
    } catch (error) {
      this.stop((error as Error).message);
    } finally {
      this.#underWay -= 1;
    }
  }
}

const FILLER = 'the quick brown fox jumps over the lazy dog ';

/** Data number `n` of exactly `size` bytes, unless its number alone needs more. */
export function value(n: number, { size, json }: Pick<Load, 'size' | 'json'>): unknown {
  const bare = json ? JSON.stringify({ n, text: '' }) : `${n} `;
  const room = Math.max(0, size - bare.length);
  const text = FILLER.repeat(Math.ceil(room / FILLER.length)).slice(0, room);
  return json ? { n, text } : bare + text;
}
