// Starts a real nginx in front of something, as ops/proxy/nginx.conf has it, on ports of its own: HTTP/1.1, and HTTP/2 over TLS.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need, start, stop } from './child.mjs';
import { freePort } from './port.mjs';
import { makeCertificate } from './proxies/certificate.mjs';
import { nginx } from './proxies/nginx.mjs';
import { until } from './wait.mjs';

/** In front of `upstream`: at `url`, and encrypted at `secure`. */
export async function startNginx(upstream) {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  const [plain, tls] = await Promise.all([freePort(), freePort()]);
  const certificate = await makeCertificate(folder);
  const { program, args, files } = nginx.ours({
    folder,
    plain,
    tls,
    gateway: new URL(upstream).host,
    ...certificate,
  });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const child = start(need(program), args);
  let over = false;
  child.exited.then(() => {
    over = true;
  });
  const url = `http://127.0.0.1:${plain}`;
  await until(
    async () =>
      over ||
      fetch(url).then(
        () => true,
        () => false,
      ),
    'nginx to answer',
  );
  if (over) throw new Error(`nginx ended at its start: ${child.errors}`);
  return {
    url,
    secure: `https://127.0.0.1:${tls}`,
    async close() {
      await stop(child, 'SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
