// HAProxy: our configuration, and one with nothing but Debian's timeouts.
import { behind, copyOf } from './copy.mjs';

const made = ({ folder }, text) => ({
  program: 'haproxy',
  args: ['-db', '-f', `${folder}/haproxy.cfg`],
  files: { 'haproxy.cfg': text },
});
const compression = '    filter compression\n    compression algo gzip';

export const haproxy = {
  name: 'HAProxy',
  version: ['haproxy', ['-v']],
  ours: (place) =>
    made(
      place,
      copyOf('haproxy.cfg', [
        // Who tests is not always root, and has no log.
        ['    user haproxy\n    group haproxy\n    log /dev/log local0\n', ''],
        // What the test has open at once is less than what its own limit of files allows.
        ['maxconn 20000', 'maxconn 8000'],
        ['bind :80', `bind 127.0.0.1:${place.plain}`],
        ['bind :443', `bind 127.0.0.1:${place.tls}`],
        ['/etc/ssl/tricast/haproxy.pem', place.both],
        behind('backend tricast', compression),
        ['127.0.0.1:8080', place.gateway],
      ]),
    ),
  bare: (place) =>
    made(
      place,
      `
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
listen tricast
  bind 127.0.0.1:${place.plain}
${compression}
  server gateway ${place.gateway}
`,
    ),
};
