// Times by how often they came: exact to a few percent, in the same little memory however many there are.

/** Milliseconds; what is shorter counts as this. */
const FINEST = 0.05;
/** Buckets for each doubling: their bounds lie 9 % apart. */
const STEPS = 8;
/** Up to FINEST × 2^22, which is three and a half minutes. */
const BUCKETS = 22 * STEPS;

export class Histogram {
  #counts = new Uint32Array(BUCKETS + 1);
  count = 0;
  max = 0;

  add(ms: number): void {
    const bucket = ms <= FINEST ? 0 : Math.min(BUCKETS, Math.ceil(STEPS * Math.log2(ms / FINEST)));
    this.#counts[bucket]! += 1;
    this.count += 1;
    this.max = Math.max(this.max, ms);
  }

  /** The time that a share of `q` does not exceed; `null` where there is none. */
  quantile(q: number): number | null {
    if (this.count === 0) return null;
    let left = Math.ceil(q * this.count);
    const bucket = this.#counts.findIndex((count) => (left -= count) <= 0);
    return Math.min(this.max, upper(bucket));
  }

  /** Each bucket up to the last that holds anything: its upper bound in ms, and its share of all. */
  shares(): [bound: number, share: number][] {
    const last = this.#counts.findLastIndex((count) => count > 0);
    return [...this.#counts.subarray(0, last + 1)].map((count, bucket) => [
      upper(bucket),
      count / this.count,
    ]);
  }
}

const upper = (bucket: number) => FINEST * 2 ** (bucket / STEPS);
