// Starts the real program on ports of its own and stops it again; every test has its own gateway.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { signal, start, stop } from './child.mjs';
import { until } from './wait.mjs';

export const repository = fileURLToPath(new URL('../../', import.meta.url));
export const program = process.env.TRICAST_BIN ?? `${repository}target/debug/tricast`;
const announced =
  /^tricast listening on (http:[^,\s]+)(?:, (https:[^,\s]+))?, admin on (http:\S+)$/m;

/**
 * `settings` are gateway.toml keys, as in `{ 'stream.heartbeat': '500ms' }`. `under` is a command line that runs the program, which
 * is then its last argument.
 */
export async function startGateway(settings = {}, { under = [] } = {}) {
  const env = { TRICAST__BIND: '127.0.0.1:0', TRICAST__ADMIN__BIND: '127.0.0.1:0' };
  for (const [key, value] of Object.entries(settings))
    env[`TRICAST__${key.toUpperCase().replaceAll('.', '__')}`] = value;
  const hint = under.length ? undefined : 'run make build, or name it in TRICAST_BIN';
  const [command, ...args] = [...under, program];
  const child = start(command, args, { env, hint });
  let over = false;
  child.exited.then(() => {
    over = true;
  });
  await until(() => announced.test(child.output) || over, 'the gateway to say where it listens');
  if (over) throw new Error(`the gateway ended at its start: ${child.errors || child.output}`);
  const [, url, secure, admin] = child.output.match(announced);
  return {
    url,
    /** Encrypted, if the settings ask for it. */
    secure,
    admin,
    signal: (name) => signal(child, name),
    /** Drains it; a gateway that does not end well has failed, whatever its clients saw. */
    async stop() {
      const code = await stop(child);
      if (code !== 0 || child.errors.includes('panicked'))
        throw new Error(`the gateway ended with ${code}: ${child.errors}`);
    },
    /** Upgrades it to another process of the program, which has its addresses; returns that one. */
    upgrade: () => upgrade(child, child.pid, { url, secure, admin }),
    /** Resolves with its exit code, once it has ended by itself. */
    ended: () => child.exited,
    /** Ends it as a crash does. */
    async kill() {
      signal(child, 'SIGKILL');
      await child.exited;
    },
    publish: (channel, data, query) => publish(url, channel, data, query),
    online: (channel) => answer(`${url}/online/${channel}`),
    history: async (channel) => (await answer(`${url}/history/${channel}`)).messages,
  };
}

/** Lets a process hand over to another one; returns that one. They write to the standard error of the `first` of them. */
async function upgrade(first, id, addresses) {
  const from = first.errors.length;
  process.kill(id, 'SIGUSR2');
  const started = /the new gateway is ready process=(\d+)/;
  const [, next] = await until(
    () => first.errors.slice(from).match(started),
    () => `process ${id} to start another one: ${first.errors.slice(from)}`,
    { timeout: 30_000 },
  );
  await until(() => !runs(id), `process ${id} to hand over`, { timeout: 30_000 });
  const end = async (name) => {
    process.kill(next, name);
    await until(() => !runs(next), `process ${next} to end`, { timeout: 30_000 });
  };
  return {
    ...addresses,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    upgrade: () => upgrade(first, Number(next), addresses),
    publish: (channel, data, query) => publish(addresses.url, channel, data, query),
  };
}

const runs = (id) => existsSync(`/proc/${id}`);

const publish = (url, channel, data, query = '') =>
  answer(`${url}/publish/${channel}${query}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(data),
  });

async function answer(url, options) {
  const response = await fetch(url, options);
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} from ${url}: ${body}`);
  return JSON.parse(body);
}
