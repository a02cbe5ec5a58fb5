// A port for a program that cannot choose one by itself.
import { createServer } from 'node:net';

const given = new Set();

/** One that was free a moment ago, and not of those that the system gives to connections: these may be taken a moment later. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.on('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => {
      server.close(resolve);
    });
    // Two that are asked for at once are two.
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}
