// The event names that the EventSource of the page subscribes to.

/** A limit, because each new name reopens the EventSource: every message may have its own name. */
const MAX_NAMES = 33;

export class EventNames implements Iterable<string> {
  readonly #names: Set<string>;

  constructor(...names: string[]) {
    this.#names = new Set(names);
  }

  /** Adds a name; returns false if it is known already or if there are too many. */
  add(name: string): boolean {
    if (this.#names.has(name) || this.#names.size >= MAX_NAMES) return false;
    this.#names.add(name);
    return true;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#names.values();
  }
}
