// A histogram of latencies, exact to a few percent, in the same memory for any number of values.

/** The upper bound of the first bucket in milliseconds. */
const FIRST_BOUND = 0.05;
/** Buckets for each doubling: the bounds grow by 9 %. */
const BUCKETS_PER_DOUBLING = 8;
/** Buckets up to FIRST_BOUND × 2^22, which is three and a half minutes. */
const BUCKETS = 22 * BUCKETS_PER_DOUBLING;

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS + 1);
  count = 0;
  max = 0;

  add(ms: number): void {
    const bucket = bucketOf(ms);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.count += 1;
    this.max = Math.max(this.max, ms);
  }

  /** Returns the value that a share of `q` does not exceed; `null` if the histogram is empty. */
  quantile(q: number): number | null {
    if (this.count === 0) return null;
    const rank = Math.ceil(q * this.count);
    let seen = 0;
    const bucket = this.#counts.findIndex((count) => {
      seen += count;
      return seen >= rank;
    });
    return Math.min(this.max, upperBound(bucket));
  }

  /** Returns the upper bound in ms and the share of each bucket up to the last that is filled. */
  shares(): [bound: number, share: number][] {
    const last = this.#counts.findLastIndex((count) => count > 0);
    const filled = [...this.#counts.subarray(0, last + 1)];
    return filled.map((count, bucket) => [upperBound(bucket), count / this.count]);
  }
}

function bucketOf(ms: number): number {
  if (ms <= FIRST_BOUND) return 0;
  return Math.min(BUCKETS, Math.ceil(BUCKETS_PER_DOUBLING * Math.log2(ms / FIRST_BOUND)));
}

function upperBound(bucket: number): number {
  return FIRST_BOUND * 2 ** (bucket / BUCKETS_PER_DOUBLING);
}
