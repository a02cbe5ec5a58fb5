// lighttpd: our configuration, and the one with proxy.server and nothing else.
import { repository } from '../gateway.mjs';
import { behind, copyOf } from './copy.mjs';

const made = ({ folder }, text) => ({
  program: 'lighttpd',
  args: ['-D', '-f', `${folder}/lighttpd.conf`],
  files: { 'lighttpd.conf': text },
});
const compression = ({ folder }) => `server.modules += ( "mod_deflate" )
deflate.mimetypes = ( "text/", "application/" )
deflate.allowed-encodings = ( "gzip" )
deflate.cache-dir = "${folder}"
server.upload-dirs = ( "${folder}" )`;

export const lighttpd = {
  name: 'lighttpd',
  version: ['lighttpd', ['-v']],
  ours: (place) =>
    made(
      place,
      copyOf('lighttpd.conf', [
        // Who tests is not always root, and what is in our folder is for nobody else.
        ['server.username      = "www-data"\nserver.groupname     = "www-data"\n', ''],
        ['server.port          = 80', `server.port = ${place.plain}\nserver.bind = "127.0.0.1"`],
        ['/var/www/html', place.folder],
        behind(
          'server.modules       = ( "mod_magnet", "mod_proxy", "mod_openssl" )',
          compression(place),
        ),
        ['":443"', `"127.0.0.1:${place.tls}"`],
        ['/etc/ssl/tricast/cert.pem', place.cert],
        ['/etc/ssl/tricast/key.pem', place.key],
        ['/etc/lighttpd/tricast-away.lua', `${repository}ops/proxy/tricast-away.lua`],
        ['"port" => 8080', `"port" => ${place.gateway.split(':')[1]}`],
      ]),
    ),
  bare: (place) =>
    made(
      place,
      `
server.port = ${place.plain}
server.bind = "127.0.0.1"
server.document-root = "${place.folder}"
server.modules = ( "mod_proxy" )
${compression(place)}
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => ${place.gateway.split(':')[1]} )) )
`,
    ),
};
