// Waiting for a time or a condition.

/** Milliseconds between two checks of a condition. */
const POLL_MS = 10;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Resolves once the condition is true, or after `timeout` milliseconds. */
export async function until(condition: () => boolean, timeout: number): Promise<void> {
  const end = performance.now() + timeout;
  while (!condition() && performance.now() < end) await sleep(POLL_MS);
}
