// Caddy: our Caddyfile, and the shortest one.
import { copyOf } from './copy.mjs';

/** Caddy's own port for its admin, and no redirect on port 80: what two of them on one machine need. */
const made = (place, text) => ({
  program: 'caddy',
  args: ['run', '--adapter', 'caddyfile', '--config', `${place.folder}/Caddyfile`],
  env: { XDG_DATA_HOME: place.folder, XDG_CONFIG_HOME: place.folder, HOME: place.folder },
  files: {
    Caddyfile: `{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port ${place.plain}\n\thttps_port ${place.tls}\n\tskip_install_trust\n}\n${text}`,
  },
});

export const caddy = {
  name: 'Caddy',
  version: ['caddy', ['version']],
  ours: (place) =>
    made(
      place,
      copyOf('Caddyfile', [
        ['example.com', '127.0.0.1'],
        ['\timport tricast', '\tencode gzip\n\timport tricast'],
        ['/etc/ssl/tricast/cert.pem', place.cert],
        ['/etc/ssl/tricast/key.pem', place.key],
        ['127.0.0.1:8080', place.gateway],
      ]),
    ),
  bare: (place) =>
    made(place, `http://127.0.0.1 {\n\tencode gzip\n\treverse_proxy ${place.gateway}\n}\n`),
};
