// Round values for the axes of a plot.

/** The steps between ticks that people count in. */
const STEPS = [1, 2, 5, 10];
/** The ticks of a logarithmic axis within each power of ten; the densest list that fits is used. */
const LOG_STEPS = [[1, 2, 5], [1, 3], [1]];

/** Returns the multiples of a round step in the range, at most `count` of them. */
export function linearTicks(low: number, high: number, count: number): number[] {
  const least = (high - low) / Math.max(1, count - 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * (STEPS.find((one) => one * power >= least * (1 - 1e-9)) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => rounded((first + n) * step));
}

/** Returns round values in the range, which is positive; as many as fit, at most `count`. */
export function logTicks(low: number, high: number, count: number): number[] {
  const powers = range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)));
  const candidates = LOG_STEPS.map((steps) =>
    powers
      .flatMap((power) => steps.map((step) => rounded(step * 10 ** power)))
      .filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)),
  );
  const fitting = candidates.find((ticks) => ticks.length <= count) ?? [];
  // A range without a round power has linear ticks.
  return fitting.length > 1 ? fitting : linearTicks(low, high, count).filter((value) => value > 0);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

/** Removes what the arithmetic of fractions has added: 0.1 · 3 is 0.3. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
