// Does each message arrive before the next is published, and how late?
import { openReader } from '../readers.mjs';
import { comes, fresh, held, median, oneByOne } from './verdict.mjs';

export async function prompt(stand, way) {
  const channel = fresh('prompt');
  const reader = openReader(stand, way, channel);
  const { ledger } = reader;
  try {
    if (!(await comes(() => ledger.hellos.length, 5000))) return { verdict: 'no hello' };
    const delays = await oneByOne(stand, channel, () => ledger.messages.length, 20);
    if (!delays) return { verdict: 'messages do not come' };
    if (ledger.hellos.length > 1) return { verdict: 'cut' };
    const history = await stand.gateway.history(channel);
    if (JSON.stringify(ledger.messages) !== JSON.stringify(history) || ledger.problems.length)
      return { verdict: 'damaged', detail: ledger.problems };
    const ms = median(delays);
    return { verdict: ms > held ? 'held back' : 'ok', ms };
  } finally {
    reader.end();
  }
}
