// Waits for conditions, because a test that sleeps is either slow or lucky.
import { setTimeout as pause } from 'node:timers/promises';

/** Resolves with the first truthy value of `condition`; `what` says in the failure what never came. */
export async function until(condition, what, { timeout = 10_000, every = 20 } = {}) {
  const deadline = Date.now() + timeout;
  for (let last = false; ; ) {
    const value = await condition();
    if (value) return value;
    if (last)
      throw new Error(
        `waited ${timeout} ms for ${typeof what === 'function' ? await what() : what}`,
      );
    // Once more behind it: on a busy machine what has come meanwhile may not be read yet.
    last = Date.now() > deadline;
    await pause(every);
  }
}
