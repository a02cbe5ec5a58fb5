// A TCP relay between one client and the gateway, which breaks live connections as a bad network does.

import { once } from 'node:events';
import net from 'node:net';

/** A relay to the origin `target`; clients use its `url` in place of the gateway's. */
export async function startRelay(target) {
  let { hostname, port } = new URL(target);
  const pairs = new Set();
  const carried = [];
  /** For each refused wire the answer to its requests, or `null` to cut them. */
  const refused = new Map();
  const delays = new Map();
  let cuts = 0;

  const server = net.createServer({ noDelay: true }, (client) => {
    const upstream = net.connect({ host: hostname, port, noDelay: true });
    const pair = { client, upstream, cutInside: false, carried: null };
    pairs.add(pair);
    const drop = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    /** Acts after the delay of the wire. Timers of one duration fire in order. */
    const delayed = (action) => {
      const delay = delays.get(pair.carried?.wire);
      if (delay) setTimeout(action, delay);
      else action();
    };
    client.on('data', (bytes) => {
      const [, wire] = bytes.toString('latin1').match(/^GET \/(sse|chunked|ws)\//) ?? [];
      if (wire && refused.has(wire)) {
        const answer = refused.get(wire);
        return answer === null ? drop() : client.end(answer, drop);
      }
      if (wire) {
        pair.carried = { wire, bytes: 0 };
        carried.push(pair.carried);
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (pair.carried) pair.carried.bytes += bytes.length;
      if (!pair.cutInside) return delayed(() => client.destroyed || client.write(bytes));
      pair.cutInside = false;
      upstream.pause();
      // Half a message, a stall in which the client surely reads that half, and then nothing more.
      client.write(bytes.subarray(0, bytes.length >> 1), () => setTimeout(drop, 50));
    });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      from.on('end', () => delayed(() => to.end()));
      from.on('error', drop);
      from.on('close', () => delayed(drop));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    get live() {
      return pairs.size;
    },
    get cuts() {
      return cuts;
    },
    /** The bytes of all answers to requests for that wire. */
    carried: (wire) =>
      carried.filter((one) => one.wire === wire).reduce((sum, { bytes }) => sum + bytes, 0),
    /** Destroys every live connection: at once, or (`inside`) in the middle of what the gateway writes next. */
    cut({ inside = false } = {}) {
      const count = pairs.size;
      for (const pair of pairs) {
        if (inside) pair.cutInside = true;
        else {
          pair.client.destroy();
          pair.upstream.destroy();
        }
      }
      if (!inside) pairs.clear();
      if (count) cuts += 1;
      return count;
    },
    /** Lets requests for that wire through no more: it cuts them, or gives them this answer. */
    refuse(wire, answer = null) {
      refused.set(wire, answer);
    },
    /** Lets requests for that wire through again. */
    accept(wire) {
      refused.delete(wire);
    },
    /** Delays what the gateway sends over that wire by so many milliseconds. */
    delay(wire, ms) {
      delays.set(wire, ms);
    },
    /** Leads new connections to another gateway. */
    lead(to) {
      ({ hostname, port } = new URL(to));
    },
    async close() {
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}
