// Quantiles of raw values. A histogram's are the bounds of its buckets, which are 9 % apart.

/** Returns the value that a share of `q` does not exceed; `null` if there are no values. */
export function quantile(values: number[], q: number): number | null {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
}

/** Returns the value in the middle, or the mean of the two there. */
export function median(values: number[]): number | null {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
