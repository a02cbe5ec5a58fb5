// Traefik: our two files, and the shortest two.
import { fileURLToPath } from 'node:url';
import { behind, copyOf } from './copy.mjs';

const program = fileURLToPath(new URL('../.venv/bin/traefik', import.meta.url));
const compression = '    tricast-gzip:\n      compress: {}';

const made = ({ folder }, fixed, dynamic) => ({
  program,
  args: [`--configFile=${folder}/traefik.yml`],
  files: { 'traefik.yml': fixed, 'traefik-tricast.yml': dynamic },
});

export const traefik = {
  name: 'Traefik',
  version: [program, ['version']],
  ours: (place) =>
    made(
      place,
      copyOf('traefik.yml', [
        ['":80"', `"127.0.0.1:${place.plain}"`],
        ['":443"', `"127.0.0.1:${place.tls}"`],
        ['/etc/traefik', place.folder],
      ]),
      copyOf('traefik-tricast.yml', [
        ['`example.com`', '`127.0.0.1`'],
        ['[tricast-away]', '[tricast-gzip, tricast-away]'],
        behind('\n  middlewares:', compression),
        ['/etc/ssl/tricast/cert.pem', place.cert],
        ['/etc/ssl/tricast/key.pem', place.key],
        ['http://127.0.0.1:8080', `http://${place.gateway}`],
      ]),
    ),
  bare: (place) =>
    made(
      place,
      `
entryPoints: { web: { address: "127.0.0.1:${place.plain}" } }
providers: { file: { filename: ${place.folder}/traefik-tricast.yml } }
`,
      `
http:
  routers: { tricast: { rule: "PathPrefix(\`/\`)", service: tricast, middlewares: [tricast-gzip] } }
  services: { tricast: { loadBalancer: { servers: [ { url: "http://${place.gateway}" } ] } } }
  middlewares:
${compression}
`,
    ),
};
