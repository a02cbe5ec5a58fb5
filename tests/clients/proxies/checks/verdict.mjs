// What the checks have in common: a verdict is a word for the table, `ok` when all is well, and numbers beside it.
import { until } from '../../wait.mjs';

let made = 0;
/** A channel that no other check has. */
export const fresh = (name) => `${name}-${made += 1}`;

/** Whether `condition` comes true in `timeout` ms. */
export const comes = (condition, timeout) => until(condition, 'it', { timeout, every: 5 }).then(() => true, () => false);

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** What all but the soonest quarter has taken. A busy machine is late now and then; a proxy that holds messages back always is. */
export const soonest = (values) => [...values].sort((a, b) => a - b)[values.length >> 2];

/** If even that is later, messages are held back. The soak, which has the machine for itself, says 50. */
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
