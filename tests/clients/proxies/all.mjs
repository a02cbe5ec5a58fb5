// The proxies, in the order of the table.
import { run } from '../child.mjs';
import { apache } from './apache.mjs';
import { caddy } from './caddy.mjs';
import { envoy } from './envoy.mjs';
import { haproxy } from './haproxy.mjs';
import { lighttpd } from './lighttpd.mjs';
import { nginx } from './nginx.mjs';
import { traefik } from './traefik.mjs';
import { varnish } from './varnish.mjs';

export const proxies = [nginx, haproxy, caddy, apache, varnish, lighttpd, traefik, envoy];

/** What this machine has of each. */
export async function versionsOf() {
  const versions = {};
  for (const {
    name,
    version: [program, args],
  } of proxies) {
    const { output, errors } = await run(program, args, { hint: 'run make setup' });
    versions[name] = `${output}${errors}`.match(/\d+\.\d+\.\d+/)?.[0] ?? 'unknown';
  }
  return versions;
}
