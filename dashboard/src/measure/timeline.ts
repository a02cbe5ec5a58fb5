// The median latency of each half second over the last ten minutes.

/** The length of a slot in milliseconds. */
export const SLOT_MS = 500;
/** Slots to keep: more than the longest comparison needs. */
const MAX_SLOTS = 1300;

export interface Point {
  /** The number of the slot: its start in milliseconds, divided by SLOT_MS. */
  slot: number;
  median: number;
}

export class Timeline {
  readonly points: Point[] = [];
  #slot = -1;
  #latencies: number[] = [];

  add(ms: number, now: number): void {
    this.#advance(now);
    this.#latencies.push(ms);
  }

  /** Returns the finished slots. */
  upTo(now: number): Point[] {
    this.#advance(now);
    return this.points;
  }

  #advance(now: number) {
    const slot = Math.floor(now / SLOT_MS);
    // A latency of an earlier slot counts in this one: the response with its id came late.
    if (slot <= this.#slot) return;
    const sorted = this.#latencies.sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1];
    if (median !== undefined) {
      this.points.push({ slot: this.#slot, median });
      if (this.points.length > MAX_SLOTS) this.points.shift();
    }
    this.#slot = slot;
    this.#latencies = [];
  }
}
