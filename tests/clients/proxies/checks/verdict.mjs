// What the checks have in common: a verdict is a word for the table, `ok` when all is well, and numbers beside it.
import { until } from '../../wait.mjs';
import { openReader } from '../readers.mjs';
import { straight } from '../ways.mjs';

let made = 0;
/** A channel that no other check has. */
export function fresh(name) {
  made += 1;
  return `${name}-${made}`;
}

/** Whether `condition` comes true in `timeout` ms. */
export const comes = (condition, timeout) =>
  until(condition, 'it', { timeout, every: 5 }).then(
    () => true,
    () => false,
  );

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** If the median message is that much later than straight, in ms, messages are held back. `cadence`, which has the machine for itself, is stricter. */
export const held = 100;

/**
 * Publishes `count` messages, each when the one before has arrived; how much later in ms each was than straight from the gateway, so that a
 * busy machine is so for both. Null when one did not come.
 */
export async function oneByOne(stand, channel, received, count) {
  const beside = openReader(stand, straight, channel, { base: stand.gateway.url });
  const { ledger } = beside;
  try {
    if (!(await comes(() => ledger.hellos.length, 5000))) return null;
    const delays = [];
    for (let i = 0; i < count; i += 1) {
      const before = received();
      await stand.gateway.publish(channel, `message ${i}`);
      const arrival = async (condition) => (await comes(condition, 2000)) && performance.now();
      const [through, direct] = await Promise.all([
        arrival(() => received() > before),
        arrival(() => ledger.messages.length > i),
      ]);
      if (!through || !direct) return null;
      delays.push(Math.max(0, through - direct));
    }
    return delays;
  } finally {
    beside.end();
  }
}
