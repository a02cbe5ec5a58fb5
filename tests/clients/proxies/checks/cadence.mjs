// Twenty messages, one each 100 ms: how late are they?
import { setTimeout as pause } from 'node:timers/promises';
import { openReader } from '../readers.mjs';
import { comes, fresh, median } from './verdict.mjs';

const count = 20;

export async function cadence(stand, way, limit = 50) {
  const channel = fresh('cadence');
  const reader = openReader(stand, way, channel);
  const { ledger } = reader;
  try {
    if (!(await comes(() => ledger.hellos.length, 5000))) return { verdict: 'no hello' };
    const arrived = [];
    const take = ledger.take.bind(ledger);
    ledger.take = (document) => {
      arrived[document.data] ??= performance.now();
      take(document);
    };
    const published = [];
    for (let i = 0; i < count; i += 1) {
      published.push(performance.now());
      await stand.gateway.publish(channel, i);
      await pause(Math.max(0, published[0] + 100 * (i + 1) - performance.now()));
    }
    if (!(await comes(() => ledger.messages.length === count, 3000)))
      return { verdict: 'messages do not come' };
    const delays = published.map((at, i) => arrived[i] - at);
    const ms = median(delays);
    return { verdict: ms > limit ? 'held back' : 'ok', ms, most: Math.max(...delays) };
  } finally {
    reader.end();
  }
}
