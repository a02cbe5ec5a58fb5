// Starts a real nginx in front of something, on ports of its own: HTTP/1.1, and HTTP/2 over TLS.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need, run, start, stop } from './child.mjs';
import { freePort } from './port.mjs';
import { until } from './wait.mjs';

/** What the README tells to write: nothing but the version, the upgrade and the host. */
const location = (upstream) => `
  location / {
    proxy_pass ${upstream};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_request_buffering off;
  }`;

/** In front of `upstream`: at `url`, and encrypted at `secure`. */
export async function startNginx(upstream) {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  const [plain, tls] = await Promise.all([freePort(), freePort()]);
  const made = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]);
  if (made.code !== 0) throw new Error(`openssl: ${made.errors}`);
  writeFileSync(join(folder, 'nginx.conf'), `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  gzip on;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server { listen 127.0.0.1:${plain}; ${location(upstream)} }
  server {
    listen 127.0.0.1:${tls} ssl http2;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    ${location(upstream)}
  }
}
`);
  const child = start(need('nginx'), ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', 'stderr']);
  let over = false;
  child.exited.then(() => { over = true; });
  const url = `http://127.0.0.1:${plain}`;
  await until(async () => over || fetch(url).then(() => true, () => false), 'nginx to answer');
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
