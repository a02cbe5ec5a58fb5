// Apache httpd: our site, and the one line that everybody writes first, each with the modules that Debian loads and those we ask for.
import { repository } from '../gateway.mjs';
import { copyOf } from './copy.mjs';

const debian = [
  'mpm_event',
  'access_compat',
  'alias',
  'auth_basic',
  'authn_core',
  'authz_core',
  'authz_host',
  'authz_user',
  'deflate',
  'dir',
  'env',
  'filter',
  'mime',
  'negotiation',
  'reqtimeout',
  'setenvif',
];
const bare = ['proxy', 'proxy_http'];
const asked = [...bare, 'headers', 'macro', 'asis', 'ssl', 'http2'];

const around = ({ folder, plain, tls }, modules, site) => `
ServerRoot ${folder}
ServerName 127.0.0.1
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/error.log
${[...debian, ...modules].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
TypesConfig /etc/mime.types
RequestReadTimeout header=20-40,minrate=500
RequestReadTimeout body=10,minrate=500
AddOutputFilterByType DEFLATE text/html text/plain text/event-stream application/x-ndjson application/json
Listen 127.0.0.1:${plain}
${modules.includes('ssl') ? `Listen 127.0.0.1:${tls}` : ''}
${site}
`;

/** In the foreground, but with all of its processes; its children end with it on SIGTERM. */
const started = ({ folder }, text) => ({
  program: 'apache2',
  args: ['-DFOREGROUND', '-f', `${folder}/apache2.conf`],
  files: { 'apache2.conf': text },
});

export const apache = {
  name: 'Apache httpd',
  version: ['apache2', ['-v']],
  ours: (place) =>
    started(
      place,
      around(
        place,
        asked,
        copyOf('apache.conf', [
          ['<VirtualHost *:80>', `<VirtualHost *:${place.plain}>`],
          ['<VirtualHost *:443>', `<VirtualHost *:${place.tls}>`],
          ['ServerName example.com', 'ServerName localhost'],
          ['/etc/apache2/tricast-away.asis', `${repository}ops/proxy/tricast-away.asis`],
          ['/etc/ssl/tricast/cert.pem', place.cert],
          ['/etc/ssl/tricast/key.pem', place.key],
          ['127.0.0.1:8080', place.gateway],
        ]),
      ),
    ),
  bare: (place) =>
    started(
      place,
      around(
        place,
        bare,
        `
ProxyPass / http://${place.gateway}/
ProxyPassReverse / http://${place.gateway}/
`,
      ),
    ),
};
