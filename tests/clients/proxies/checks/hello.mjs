// Does the hello come by itself, before anything is published?
import { openReader } from '../readers.mjs';
import { comes, fresh } from './verdict.mjs';

export async function hello(stand, way) {
  const channel = fresh('hello');
  const reader = openReader(stand, way, channel);
  try {
    const heard = () => reader.ledger.hellos.length > 0;
    if (await comes(() => heard() || reader.refused, 3000))
      return heard() ? { verdict: 'ok' } : { verdict: `answered with ${reader.refused}` };
    await stand.gateway.publish(channel, 'the last', '?end=true');
    // To a WebSocket such an end is a refusal.
    return {
      verdict: (await comes(() => heard() || reader.refused, 3000))
        ? 'nothing until the end'
        : 'nothing',
    };
  } finally {
    reader.end();
  }
}
