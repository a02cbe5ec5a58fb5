// The median latency in each half second of the last ten minutes.

/** Milliseconds. */
export const SLOT = 500;
/** Slots that are kept: more than the longest comparison. */
const KEPT = 1300;

export interface Point {
  /** The slot's number: its start in milliseconds, divided by SLOT. */
  slot: number;
  median: number;
}

export class Timeline {
  points: Point[] = [];
  #slot = -1;
  #times: number[] = [];

  add(ms: number, now: number): void {
    this.#turn(now);
    this.#times.push(ms);
  }

  /** The slots that are over. */
  upTo(now: number): Point[] {
    this.#turn(now);
    return this.points;
  }

  #turn(now: number) {
    const slot = Math.floor(now / SLOT);
    // What belongs to an earlier slot, because an answer came late, counts with the present one.
    if (slot <= this.#slot) return;
    if (this.#times.length) {
      const sorted = this.#times.sort((a, b) => a - b);
      this.points.push({ slot: this.#slot, median: sorted[sorted.length >> 1]! });
      if (this.points.length > KEPT) this.points.shift();
    }
    this.#slot = slot;
    this.#times = [];
  }
}
