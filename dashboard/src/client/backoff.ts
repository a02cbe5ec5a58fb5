// How long to stay away after a failure: longer each time, and never all at once.

const FIRST = 250;
const LONGEST = 15_000;

/** Milliseconds before try number `failures`, the first of which is 1. */
export function pauseBefore(failures: number): number {
  const longest = Math.min(LONGEST, FIRST * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}
