// Matches the publishing of a message with its arrivals; both times are of the page's own clock.

/** Published messages to remember: more than a minute at the highest rate of the page. */
const MAX_PUBLISHED = 65_536;
/** Arrivals to remember that no known publish has caused; most are of other publishers. */
const MAX_UNMATCHED = 1024;

type OnLatency = (latency: number) => void;

interface Arrival {
  at: number;
  onLatency: OnLatency;
}

export class LatencyTracker {
  readonly #published = new Map<string, number>();
  /** A message may arrive before the response that carries its id. */
  readonly #unmatched = new Map<string, Arrival[]>();

  /** Notes a message whose request began at `at`. `key` is its id, or its tag. */
  published(key: string, at: number): void {
    addBounded(this.#published, key, at, MAX_PUBLISHED);
    for (const arrival of this.#unmatched.get(key) ?? []) arrival.onLatency(arrival.at - at);
    this.#unmatched.delete(key);
  }

  /** Notes an arrival; `onLatency` receives the latency if this page has published the message. */
  received(key: string, at: number, onLatency: OnLatency): void {
    const published = this.#published.get(key);
    if (published !== undefined) {
      onLatency(at - published);
      return;
    }
    const arrivals = this.#unmatched.get(key);
    if (arrivals) arrivals.push({ at, onLatency });
    else addBounded(this.#unmatched, key, [{ at, onLatency }], MAX_UNMATCHED);
  }
}

/** Adds an entry and drops the oldest one if the map has grown above `max`. */
function addBounded<V>(map: Map<string, V>, key: string, value: V, max: number) {
  map.set(key, value);
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
