// The setting of the page tests: a gateway, a relay in front of it that breaks, and optionally nginx.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from './gateway.mjs';
import { startNginx } from './nginx.mjs';
import { makeCertificate } from './proxies/certificate.mjs';
import { startRelay } from './relay.mjs';

/** The ways on which every panel is tested. */
export const ways = ['direct', 'nginx'];

/** `page` is where the page is; `close` ends it all. */
export async function startStage(way, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'stage-'));
  const tls = way === 'TLS of its own' ? tlsOf(await makeCertificate(folder)) : {};
  const gateway = await startGateway({
    'stream.retry': '300ms',
    'shutdown.grace': '1s',
    ...tls,
    ...settings,
  });
  const relay = await startRelay(gateway.secure ?? gateway.url);
  const nginx = way.startsWith('nginx') ? await startNginx(relay.url) : null;
  const own = gateway.secure && relay.url.replace('http:', 'https:');
  const front = {
    direct: relay.url,
    nginx: nginx?.url,
    'nginx over TLS': nginx?.secure,
    'TLS of its own': own,
  }[way];
  return {
    gateway,
    relay,
    page: `${front}${settings.base_path ?? ''}/`,
    /** Another gateway takes over. */
    async replace() {
      await this.gateway.stop();
      this.gateway = await startGateway({ 'stream.retry': '300ms', ...settings });
      return () => relay.lead(this.gateway.url);
    },
    async close() {
      await nginx?.close();
      await relay.close();
      await this.gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The gateway's settings for TLS with this certificate. */
export const tlsOf = ({ cert, key }) => ({
  'tls.bind': '127.0.0.1:0',
  'tls.certificate': cert,
  'tls.key': key,
});
