// How much later than straight from the gateway does the hello come? Both in turn, so that a busy machine is so for both.
import { openReader } from '../readers.mjs';
import { comes, fresh, median } from './verdict.mjs';

const rounds = 11;

/** `limit` in ms is what a proxy may add. */
export async function first(stand, way, limit = 50) {
  const channel = fresh('first');
  const straight = { ...way, over: 'HTTP/1.1' };
  const times = { through: [], straight: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, path, base] of [
      ['straight', straight, stand.gateway.url],
      ['through', way, undefined],
    ]) {
      const began = performance.now();
      const reader = openReader(stand, path, channel, { base });
      const { ledger } = reader;
      const take = ledger.take.bind(ledger);
      let ms;
      ledger.take = (document) => {
        ms ??= performance.now() - began;
        take(document);
      };
      const heard = await comes(() => ms, 3000);
      reader.end();
      if (!heard)
        return { verdict: reader.refused ? `answered with ${reader.refused}` : 'nothing' };
      times[name].push(ms);
    }
  }
  const ms = median(times.through) - median(times.straight);
  return { verdict: ms < limit ? 'ok' : 'late', ms };
}
