// What the checks have in common: a verdict is a word for the table, `ok` when all is well, and numbers beside it.
import { until } from '../../wait.mjs';

let made = 0;
/** A channel that no other check has. */
export const fresh = (name) => `${name}-${made += 1}`;

/** Whether `condition` comes true in `timeout` ms. */
export const comes = (condition, timeout) => until(condition, 'it', { timeout, every: 5 }).then(() => true, () => false);

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** The soonest of some delays. A busy machine makes most messages late; a proxy that holds them back never lets one through at once. */
export const soonest = (values) => Math.min(...values);

/** If even that took longer, in ms, messages are held back. `cadence`, which has the machine for itself, is stricter. */
export const held = 100;

/** Publishes `count` messages, each when the one before has arrived; their delays in ms, or null when one did not come. */
export async function oneByOne(stand, channel, received, count) {
  const delays = [];
  for (let i = 0; i < count; i += 1) {
    const before = received();
    const began = performance.now();
    await stand.gateway.publish(channel, `message ${i}`);
    if (!await comes(() => received() > before, 2000)) return null;
    delays.push(performance.now() - began);
  }
  return delays;
}
