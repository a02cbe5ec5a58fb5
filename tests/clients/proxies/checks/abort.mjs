// Does the gateway hear that a client has left: from the proxy at once, or only when it writes to nobody?
import { openReader } from '../readers.mjs';
import { comes, fresh } from './verdict.mjs';

export async function abort(stand, way) {
  const channel = fresh('abort');
  const reader = openReader(stand, way, channel);
  const connections = async () => (await stand.gateway.online(channel)).connections;
  try {
    if (!(await comes(() => reader.ledger.hellos.length, 5000))) return { verdict: 'no hello' };
    const { heartbeat } = reader.ledger.hellos[0];
    // What has just been written puts the next heartbeat off: a client that leaves now and is missed within a second was reported by the proxy.
    await stand.gateway.publish(channel, 'the last');
    if (!(await comes(() => reader.ledger.messages.length, 5000)))
      return { verdict: 'messages do not come' };
    if ((await connections()) !== 1) return { verdict: 'is not counted' };
    reader.close();
    const began = performance.now();
    if (!(await comes(async () => (await connections()) === 0, 4 * heartbeat)))
      return { verdict: 'never told' };
    const ms = performance.now() - began;
    return { verdict: ms < 1000 ? 'ok' : 'told by heartbeats', ms };
  } finally {
    reader.end();
  }
}
