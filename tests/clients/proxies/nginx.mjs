// nginx: our site, and the one line that everybody writes first, each within what Debian's nginx.conf has around it.
import { copyOf } from './copy.mjs';

/** What our file says to write outside of it. */
const asked = (text) =>
  text.match(/^# {3}worker_rlimit_nofile .*;\n# {3}events .*}$/m)[0].replaceAll('#', '');
const debian = 'events { worker_connections 768; }';

// Else its workers are nobody, who may not write into the stand's folder.
const asRoot = process.getuid() === 0 ? 'user root;\n' : '';

const around = ({ folder }, site, gzip, limits) => `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr warn;
${limits}
http {
  access_log off;
  tcp_nopush on;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${gzip}
${site}
}
`;
// A site that compresses everything must not compress streams.
const everything = 'gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;';

const made = (place, text) => ({
  program: 'nginx',
  args: ['-c', `${place.folder}/nginx.conf`, '-p', place.folder, '-e', 'stderr'],
  files: { 'nginx.conf': text },
});

export const nginx = {
  name: 'nginx',
  version: ['nginx', ['-v']],
  ours(place) {
    const site = copyOf('nginx.conf', [
      ['listen 80;', `listen 127.0.0.1:${place.plain};`],
      ['listen 443 ssl', `listen 127.0.0.1:${place.tls} ssl`],
      ['example.com', 'localhost'],
      ['/etc/ssl/tricast/cert.pem', place.cert],
      ['/etc/ssl/tricast/key.pem', place.key],
      ['127.0.0.1:8080', place.gateway],
    ]);
    return made(place, around(place, site, everything, asked(site)));
  },
  bare: (place) =>
    made(
      place,
      around(
        place,
        `
  server {
    listen 127.0.0.1:${place.plain};
    location / { proxy_pass http://${place.gateway}; }
  }`,
        'gzip on; gzip_types *;',
        debian,
      ),
    ),
  /** One that caches what must not be cached, streams included. */
  cached: (place) =>
    made(
      place,
      around(
        place,
        `
  proxy_cache_path ${place.folder}/cache keys_zone=all:1m;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${place.plain};
    location / {
      proxy_pass http://${place.gateway};
      proxy_http_version 1.1;
      proxy_buffering on;
      proxy_request_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_cache all;
      proxy_cache_valid any 1m;
      proxy_ignore_headers Cache-Control X-Accel-Buffering;
    }
  }`,
        '',
        `${asRoot}${debian}`,
      ),
    ),
};
