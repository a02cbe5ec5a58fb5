// Envoy: our configuration, and one with nothing but what Envoy insists on.
import { fileURLToPath } from 'node:url';
import { copyOf } from './copy.mjs';

const program = fileURLToPath(new URL('../.venv/bin/envoy', import.meta.url));
const made = ({ folder }, text) => ({
  program,
  // Two on one machine share memory unless they have a name each; --concurrency is a thread for each processor else.
  args: [
    '-c',
    `${folder}/envoy.yaml`,
    '--use-dynamic-base-id',
    '--concurrency',
    '1',
    '--log-level',
    'warning',
  ],
  files: { 'envoy.yaml': text },
});
const compressor = `- name: envoy.filters.http.compressor
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor
                      response_direction_config:
                        common_config: { min_content_length: 30, content_type: [text/event-stream, application/x-ndjson, application/json] }
                      compressor_library:
                        name: gzip
                        typed_config: { "@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip }`;
const router = '- name: envoy.filters.http.router';

export const envoy = {
  name: 'Envoy',
  version: [program, ['--version']],
  ours: (place) =>
    made(
      place,
      copyOf('envoy.yaml', [
        ['address: 0.0.0.0, port_value: 80 ', `address: 127.0.0.1, port_value: ${place.plain} `],
        ['address: 0.0.0.0, port_value: 443 ', `address: 127.0.0.1, port_value: ${place.tls} `],
        [router, `${compressor}\n                  ${router}`],
        ['/etc/ssl/tricast/cert.pem', place.cert],
        ['/etc/ssl/tricast/key.pem', place.key],
        ['port_value: 8080', `port_value: ${place.gateway.split(':')[1]}`],
      ]),
    ),
  bare: (place) =>
    made(
      place,
      `
static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: ${place.plain} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: tricast
                route_config:
                  virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: tricast } }] }]
                http_filters:
                  ${compressor}
                  ${router}
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: tricast
      load_assignment:
        cluster_name: tricast
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${place.gateway.split(':')[1]} } } } }] }]
`,
    ),
};
