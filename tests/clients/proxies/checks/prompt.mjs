// Does each message arrive before the next is published, and how late?
import { openReader } from '../readers.mjs';
import { comes, fresh, held, median, oneByOne } from './verdict.mjs';

export async function prompt(stand, way) {
  const channel = fresh('prompt');
  const reader = openReader(stand, way, channel);
  const { ledger } = reader;
  try {
    if (!await comes(() => ledger.hellos.length, 5000)) return { verdict: 'no hello' };
    let best = Infinity;
    // A busy machine is late now and then, a proxy that holds messages back always is.
    for (let round = 0; round < 3 && best > held; round += 1) {
      const delays = await oneByOne(stand, channel, () => ledger.messages.length, round ? 10 : 20);
      if (!delays) return { verdict: 'messages do not come' };
      best = Math.min(best, median(delays));
    }
    if (ledger.hellos.length > 1) return { verdict: 'cut' };
    const history = await stand.gateway.history(channel);
    if (JSON.stringify(ledger.messages) !== JSON.stringify(history) || ledger.problems.length) return { verdict: 'damaged', detail: ledger.problems };
    return { verdict: best > held ? 'held back' : 'ok', ms: best };
  } finally {
    reader.end();
  }
}
