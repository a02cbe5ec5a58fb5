// The delay before a reconnect: it grows with each failure, and its randomness spreads clients.

const INITIAL_MS = 250;
const MAX_MS = 15_000;

/** Returns the milliseconds to wait after `failures` failures in a row, at least 1. */
export function backoffDelay(failures: number): number {
  const longest = Math.min(MAX_MS, INITIAL_MS * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}
