// A gateway with one proxy in front of it, in one of its configurations, on ports and in a folder of their own.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start, stop } from '../child.mjs';
import { startGateway } from '../gateway.mjs';
import { freePort } from '../port.mjs';
import { until } from '../wait.mjs';
import { makeCertificate } from './certificate.mjs';

/** `which` is `ours` (the file in ops/proxy) or `bare`; `settings` are the gateway's. */
export async function startStand(proxy, which, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tricast-proxy-'));
  let gateway = await startGateway(settings);
  try {
    return await build();
  } catch (error) {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }

  async function build() {
    const { host } = new URL(gateway.url);
    const certificate = await makeCertificate(folder);
    const [plain, tls] = [await freePort(), await freePort()];
    const { program, args, env, files } = proxy[which]({
      folder,
      plain,
      tls,
      gateway: host,
      ...certificate,
    });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const child = start(program, args, { env, cwd: folder, hint: 'run make setup' });
    const stand = {
      name: `${proxy.name}, ${which === 'ours' ? 'ops/proxy' : 'bare'}`,
      proxy,
      which,
      plain: `http://127.0.0.1:${plain}`,
      secure: which === 'ours' && !proxy.plain ? `https://127.0.0.1:${tls}` : null,
      ca: certificate.ca,
      cert: certificate.cert,
      get gateway() {
        return gateway;
      },
      /** Takes the gateway away as an update does; `back` brings another to its place. */
      leave: () => gateway.stop(),
      async back() {
        gateway = await startGateway({ ...settings, bind: host });
      },
      /** The gateway first: some proxies wait for their streams to end. */
      async close() {
        try {
          await gateway.stop();
        } finally {
          await stop(child);
          rmSync(folder, { recursive: true, force: true });
        }
      },
    };
    try {
      await answering(stand, child);
    } catch (error) {
      await stop(child);
      throw error;
    }
    return stand;
  }

  async function answering({ name, plain }, child) {
    let over = false;
    child.exited.then(() => {
      over = true;
    });
    const log = join(folder, 'error.log');
    const said = () => `${child.errors}${child.output}${existsSync(log) ? readFileSync(log) : ''}`;
    const answers = () =>
      fetch(`${plain}/channels`).then(
        (response) => response.ok,
        () => false,
      );
    await until(
      async () => over || answers(),
      () => `${name} to answer; it says: ${said()}`,
      { timeout: 20_000 },
    );
    if (over) throw new Error(`${name} ended at its start: ${said()}`);
  }
}
