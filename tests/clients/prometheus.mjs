// Starts a real Prometheus with the configuration that people are to copy, and asks it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, start, stop } from './child.mjs';
import { repository } from './gateway.mjs';
import { freePort } from './port.mjs';
import { until } from './wait.mjs';

export const ops = `${repository}ops/prometheus`;

/** Runs promtool; its output, when it is satisfied. */
export async function promtool(args, input) {
  const { code, output, errors } = await run('promtool', args, { cwd: ops, input });
  // It says "lint" with another code than "wrong"; neither will do.
  if (code !== 0) throw new Error(`promtool ${args.join(' ')}: ${code}\n${output}${errors}`);
  return output + errors;
}

/** Watches the gateway whose admin listener is at `admin` (a URL), every half second; `token` is its admin.token. */
export async function startPrometheus(admin, token) {
  const folder = await mkdtemp(join(tmpdir(), 'tricast-prometheus-'));
  await writeFile(join(folder, 'token'), token);
  const config = (await readFile(`${ops}/prometheus.yml`, 'utf8'))
    .replaceAll(/(scrape|evaluation)_interval: 15s/g, '$1_interval: 500ms')
    .replace('127.0.0.1:9464', new URL(admin).host)
    .replace('- tricast.rules.yml', `- ${ops}/tricast.rules.yml`)
    .replaceAll(/^( *)# (authorization:| {2}credentials_file: )/gm, '$1$2')
    .replace('/etc/prometheus/tricast.token', join(folder, 'token'));
  await writeFile(join(folder, 'prometheus.yml'), config);
  const address = `127.0.0.1:${await freePort()}`;
  const child = start('prometheus', [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=${address}`,
    '--log.level=warn',
  ]);
  let over = false;
  child.exited.then(() => {
    over = true;
  });
  const get = async (path) => {
    const { status, data, error } = await (await fetch(`http://${address}/api/v1/${path}`)).json();
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  };
  const ready = async () => over || (await fetch(`http://${address}/-/ready`).catch(() => ({}))).ok;
  await until(ready, 'Prometheus to be ready', { timeout: 30_000 });
  if (over) throw new Error(`Prometheus ended at its start: ${child.errors}`);
  return {
    get,
    /** The series of an instant query. */
    query: async (expression) =>
      (await get(`query?query=${encodeURIComponent(expression)}`)).result,
    async stop() {
      await stop(child);
      await rm(folder, { recursive: true });
    },
  };
}
