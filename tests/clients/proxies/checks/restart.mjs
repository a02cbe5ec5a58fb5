// Does a restart of the gateway look to plain clients like a cut, of which they are told what they may have missed?
import { openReader } from '../readers.mjs';
import { comes, fresh } from './verdict.mjs';

/** All `ways` at once, because it is one restart; a map from way to verdict. */
export async function restart(stand, ways) {
  const channel = fresh('restart');
  const readers = new Map(ways.map((way) => [way, openReader(stand, way, channel)]));
  const every = [...readers.values()];
  const verdicts = new Map();
  try {
    await comes(() => every.every(({ ledger }) => ledger.hellos.length), 5000);
    await stand.gateway.publish(channel, 'before');
    await comes(() => every.every(({ ledger }) => ledger.data.includes('before')), 5000);
    await whileAway(stand, every);
    const began = performance.now();
    await stand.gateway.publish(channel, 'missed');
    await Promise.all(
      [...readers].map(async ([way, reader]) => {
        const { ledger } = reader;
        const heard =
          (await comes(() => ledger.data.includes('missed') || reader.gaveUp, 8000)) &&
          !reader.gaveUp;
        const ms = performance.now() - began;
        const told =
          ledger.hellos.at(-1)?.reason === 'epoch' &&
          ledger.control.some(({ event, last }) => event === 'tricast.gap' && last === null);
        if (reader.gaveUp) verdicts.set(way, { verdict: `gives up on ${reader.refused}` });
        else if (!heard)
          verdicts.set(way, { verdict: 'does not come back', detail: reader.refused });
        else if (!told) verdicts.set(way, { verdict: 'loss not told' });
        else verdicts.set(way, { verdict: 'ok', ms });
      }),
    );
    await stand.gateway.publish(channel, 'after');
    for (const [way, reader] of readers) {
      if (
        verdicts.get(way).verdict === 'ok' &&
        !(await comes(() => reader.ledger.data.includes('after'), 5000))
      )
        verdicts.set(way, { verdict: 'hears nothing new' });
    }
    return verdicts;
  } finally {
    for (const reader of every) reader.end();
  }
}

/**
 * Takes the gateway away until each reader has asked for it in vain: was refused and asks again, or waits at the proxy for
 * a while: more than the second in which a proxy's TCP knocks again at a gateway that is about to end.
 */
export async function whileAway(stand, readers) {
  const leaving = performance.now();
  await stand.leave();
  const left = performance.now();
  const attempts = new Map(readers.map((reader) => [reader, reader.attempts]));
  const asked = (reader) =>
    reader.gaveUp ||
    reader.attempts >= attempts.get(reader) + 2 ||
    (reader.asked > leaving && performance.now() - Math.max(reader.asked, left) > 1500);
  await comes(() => readers.every(asked), 10_000);
  await stand.back();
}
