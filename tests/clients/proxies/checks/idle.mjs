// Does a stream on which nothing is published live on by its heartbeats?
import { openReader } from '../readers.mjs';
import { comes, fresh } from './verdict.mjs';

export const idleFor = (seconds) =>
  async function idle(stand, way) {
    const channel = fresh('idle');
    const reader = openReader(stand, way, channel);
    const { ledger } = reader;
    try {
      if (!(await comes(() => ledger.hellos.length, 10_000)))
        return { verdict: reader.refused ? `answered with ${reader.refused}` : 'no hello' };
      const began = performance.now();
      const cut = await comes(
        () => ledger.hellos.length > 1 || reader.attempts > 1,
        1000 * seconds,
      );
      if (cut) return { verdict: 'cut', ms: performance.now() - began };
      await stand.gateway.publish(channel, 'awake');
      return {
        verdict:
          (await comes(() => ledger.messages.length, 5000)) && ledger.hellos.length === 1
            ? 'ok'
            : 'dead',
      };
    } finally {
      reader.end();
    }
  };
