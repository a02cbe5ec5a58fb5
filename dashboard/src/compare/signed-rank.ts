// The signed-rank test (Wilcoxon 1945), exact, also with ties: it assumes nothing about the shape
// of the noise, and a few very slow messages cannot decide its outcome.

/**
 * Returns the probability of differences at least this positive, if each of them is as likely to
 * be negative. A difference of zero counts as negative. A result above one half is not exact.
 */
export function signedRankP(differences: number[]): number {
  const sorted = [...differences].sort((a, b) => Math.abs(a) - Math.abs(b));
  const ranks = doubledRanks(sorted.map(Math.abs));
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const positive = ranks.reduce((sum, rank, n) => sum + ((sorted[n] ?? 0) > 0 ? rank : 0), 0);
  return positive <= total / 2 ? 1 : upperTail(ranks, positive, total);
}

/** Returns twice the rank of each value, because equal values share their mean rank. */
function doubledRanks(sorted: number[]): number[] {
  return sorted.map((value) => sorted.indexOf(value) + sorted.lastIndexOf(value) + 2);
}

/** Returns the probability that a random subset of the ranks has a sum of at least `least`. */
function upperTail(ranks: number[], least: number, total: number): number {
  const probabilities = new Float64Array(total + 1);
  probabilities[0] = 1;
  let highest = 0;
  for (const rank of ranks) {
    highest += rank;
    // Downwards, so that each rank is added once.
    for (let sum = highest; sum >= 0; sum -= 1) {
      const without = probabilities[sum] ?? 0;
      probabilities[sum] = (without + (probabilities[sum - rank] ?? 0)) / 2;
    }
  }
  return probabilities.subarray(least).reduce((sum, probability) => sum + probability, 0);
}
