// What a test of the page plays on: a gateway, a relay in front of it that can break, and nginx in front of that or not.
import { startGateway } from './gateway.mjs';
import { startNginx } from './nginx.mjs';
import { startRelay } from './relay.mjs';

/** The ways on which every panel is tested. */
export const ways = ['direct', 'nginx'];

/** `page` is where the page is; `close` ends it all. */
export async function startStage(way, settings = {}) {
  const gateway = await startGateway({ 'stream.retry': '300ms', 'shutdown.grace': '1s', ...settings });
  const relay = await startRelay(gateway.url);
  const nginx = way === 'direct' ? null : await startNginx(relay.url);
  const front = { direct: relay.url, nginx: nginx?.url, 'nginx over TLS': nginx?.secure }[way];
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
    },
  };
}
