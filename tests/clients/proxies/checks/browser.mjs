// Does a page hear each message, and come back by itself after a restart of the gateway?
import { kinds, openPage } from '../pages.mjs';
import { whileAway } from './restart.mjs';
import { comes, fresh, oneByOne } from './verdict.mjs';

/** All kinds at once in `browser`; a map from kind to verdict. */
export async function browse(stand, browser) {
  const channel = fresh('page');
  const readers = new Map(
    await Promise.all(
      Object.keys(kinds).map(async (kind) => [kind, await openPage(browser, stand, kind, channel)]),
    ),
  );
  const every = [...readers.values()];
  try {
    await comes(() => every.every(({ ledger }) => ledger.hellos.length), 10_000);
    const least = () => Math.min(...every.map(({ ledger }) => ledger.messages.length));
    await oneByOne(stand, channel, least, 5);
    const before = new Map(
      [...readers].map(([kind, { ledger }]) => [kind, ledger.messages.length]),
    );
    await whileAway(stand, every);
    await stand.gateway.publish(channel, 'missed');
    return new Map(
      await Promise.all(
        [...readers].map(async ([kind, reader]) => {
          const back = await comes(
            () => reader.ledger.data.includes('missed') || reader.gaveUp,
            15_000,
          );
          const { ledger } = reader;
          const verdict = !ledger.hellos.length
            ? 'no hello'
            : before.get(kind) !== 5
              ? 'messages do not come'
              : reader.gaveUp
                ? 'gives up'
                : !back
                  ? 'does not come back'
                  : ledger.problems.length
                    ? 'damaged'
                    : 'ok';
          return [
            kind,
            {
              verdict,
              note: reader.protocol,
              detail: ledger.problems.length ? ledger.problems : undefined,
            },
          ];
        }),
      ),
    );
  } finally {
    await Promise.all(every.map((reader) => reader.end()));
  }
}
