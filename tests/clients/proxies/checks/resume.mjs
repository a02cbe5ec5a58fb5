// After a cut, does the last id bring what was published meanwhile, once and in order?
import { openReader } from '../readers.mjs';
import { comes, fresh } from './verdict.mjs';

export async function resume(stand, way) {
  const channel = fresh('resume');
  const publish = async (from, to) => {
    for (let i = from; i < to; i += 1) await stand.gateway.publish(channel, i);
  };
  const first = openReader(stand, way, channel);
  let second;
  try {
    if (!(await comes(() => first.ledger.hellos.length, 5000))) return { verdict: 'no hello' };
    await publish(0, 3);
    if (!(await comes(() => first.ledger.messages.length === 3, 5000)))
      return { verdict: 'messages do not come' };
    first.close();
    await publish(3, 6);
    second = openReader(stand, way, channel, { last: first.ledger.ids.at(-1) });
    if (!(await comes(() => second.ledger.hellos.length, 5000)))
      return { verdict: 'does not come back' };
    await publish(6, 8);
    await comes(() => second.ledger.data.includes(7), 5000);
    const got = [...first.ledger.data, ...second.ledger.data].join(' ');
    const clean =
      second.ledger.hellos[0].recovered &&
      !second.ledger.control.length &&
      !second.ledger.problems.length;
    return got === '0 1 2 3 4 5 6 7' && clean
      ? { verdict: 'ok' }
      : { verdict: 'lost or doubled', detail: got };
  } finally {
    first.end();
    second?.end();
  }
}
