// What proxies are known to do, and the one sentence that tells a user what to change. Everything else has to be "ok".

const notWebSocket = (way) => way.wire !== 'ws';
const webSocket = (way) => way.wire === 'ws';
const serverSent = (way) => way.wire === 'sse';
const http2 = (over) => over === 'HTTP/2';
const any = () => true;

/** `where` is asked with the way, or for plain requests with the HTTP version; `after` are the seconds that it takes to happen. */
export const known = [
  ...['nginx', 'HAProxy', 'Envoy'].map((proxy) => ({
    proxy,
    which: 'bare',
    check: 'forged',
    where: any,
    verdicts: ['believes the client'],
    sentence: `${proxy} passes on what the client says of its address: name it in proxy.trusted only when it sets X-Forwarded-For itself.`,
  })),

  {
    proxy: 'nginx',
    which: 'bare',
    check: 'hello',
    where: webSocket,
    verdicts: ['answered with 426', 'answered with 200'],
    sentence:
      'nginx passes no upgrade on: set proxy_http_version 1.1, and the headers Upgrade and Connection.',
  },
  {
    proxy: 'nginx',
    which: 'bare',
    check: 'lines',
    where: any,
    verdicts: ['all at the end'],
    sentence:
      'nginx keeps a body until it has ended: set proxy_request_buffering off and proxy_http_version 1.1.',
  },
  {
    proxy: 'nginx',
    which: 'bare',
    check: 'page',
    where: any,
    verdicts: ['answered with 403'],
    sentence:
      'nginx puts its own upstream in place of the host: set proxy_set_header Host $http_host, or no page may speak.',
  },
  {
    proxy: 'nginx',
    which: 'bare',
    check: 'forwarded',
    where: any,
    verdicts: ['not told: host, address, scheme'],
    sentence:
      'nginx tells nothing of the client: set the headers Host, X-Forwarded-For and X-Forwarded-Proto.',
  },
  {
    proxy: 'nginx',
    which: 'bare',
    check: 'restart',
    where: serverSent,
    verdicts: ['gives up on 502'],
    sentence:
      'EventSource gives up for good on the 502 of a restart: answer it with 200 and retry: (error_page).',
  },

  {
    proxy: 'HAProxy',
    which: 'bare',
    check: 'prompt',
    where: notWebSocket,
    verdicts: ['held back'],
    sentence: 'HAProxy holds each message back for 200 ms: set option http-no-delay.',
  },
  {
    proxy: 'HAProxy',
    which: 'bare',
    check: 'gzip',
    where: any,
    verdicts: ['held back'],
    sentence: 'HAProxy holds each message back for 200 ms: set option http-no-delay.',
  },
  ...[
    ['first', 'late'],
    ['cadence', 'held back'],
  ].map(([check, verdict]) => ({
    proxy: 'HAProxy',
    which: 'bare',
    check,
    where: notWebSocket,
    verdicts: [verdict],
    sentence: 'HAProxy holds each message back for 200 ms: set option http-no-delay.',
  })),
  {
    proxy: 'HAProxy',
    which: 'bare',
    check: 'rest',
    where: any,
    after: 50,
    verdicts: ['cut'],
    sentence:
      'HAProxy ends what is silent for timeout client and timeout server: set both to an hour for JSON lines that rest.',
  },
  {
    proxy: 'HAProxy',
    which: 'bare',
    check: 'abort',
    where: notWebSocket,
    verdicts: ['told by heartbeats'],
    sentence: 'HAProxy does not tell the gateway that a client has left: set option abortonclose.',
  },
  {
    proxy: 'HAProxy',
    which: 'bare',
    check: 'forwarded',
    where: any,
    verdicts: ['not told: address, scheme'],
    sentence:
      "HAProxy does not tell the client's address and scheme: set option forwardfor, and X-Forwarded-Proto.",
  },

  {
    proxy: 'Caddy',
    which: 'bare',
    check: 'restart',
    where: serverSent,
    verdicts: ['gives up on 502'],
    sentence: 'EventSource gives up for good on the 502 of a restart: set lb_try_duration.',
  },

  {
    proxy: 'Apache httpd',
    which: 'bare',
    check: 'hello',
    where: webSocket,
    verdicts: ['answered with 426', 'answered with 200'],
    sentence: 'Apache passes no upgrade on: add upgrade=websocket to ProxyPass.',
  },
  {
    proxy: 'Apache httpd',
    which: 'bare',
    check: 'lines',
    where: any,
    verdicts: ['all at the end'],
    sentence: 'Apache waits for 16 KB of a body or its end: SetEnv proxy-prefetch-nonblocking 1.',
  },
  {
    proxy: 'Apache httpd',
    which: 'bare',
    check: 'forwarded',
    where: any,
    verdicts: ['not told: scheme'],
    sentence:
      'Apache does not tell the scheme: RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}.',
  },
  {
    proxy: 'Apache httpd',
    which: 'bare',
    check: 'restart',
    where: serverSent,
    verdicts: ['gives up on 503'],
    sentence:
      'EventSource gives up for good on the 503 of a restart: answer it with 200 and retry: (ErrorDocument and mod_asis).',
  },
  ...['bare', 'ours'].map((which) => ({
    proxy: 'Apache httpd',
    which,
    check: 'abort',
    where: notWebSocket,
    verdicts: ['told by heartbeats'],
    sentence:
      'Apache looks after its client only when it writes, and has no setting for it: ' +
      'a shorter stream.heartbeat lets the gateway hear sooner.',
  })),

  {
    proxy: 'Varnish',
    which: 'bare',
    check: 'hello',
    where: webSocket,
    verdicts: ['answered with 426', 'answered with 200'],
    sentence:
      'Varnish passes no upgrade on: return (pipe), and set Upgrade and Connection in vcl_pipe.',
  },
  {
    proxy: 'Varnish',
    which: 'bare',
    check: 'abort',
    where: notWebSocket,
    verdicts: ['told by heartbeats'],
    sentence: 'Varnish does not tell the gateway that a client has left: return (pipe).',
  },
  {
    proxy: 'Varnish',
    which: 'bare',
    check: 'rest',
    where: any,
    verdicts: ['cut'],
    sentence: 'Varnish ends a body that rests for 5 s: return (pipe), with a longer pipe_timeout.',
  },
  {
    proxy: 'Varnish',
    which: 'bare',
    check: 'forwarded',
    where: any,
    verdicts: ['not told: scheme'],
    sentence: 'Varnish does not tell the scheme: set req.http.X-Forwarded-Proto.',
  },
  {
    proxy: 'Varnish',
    which: 'bare',
    check: 'restart',
    where: serverSent,
    verdicts: ['gives up on 503'],
    sentence:
      'EventSource gives up for good on the 503 of a restart: return (pipe), which closes the connection instead.',
  },

  {
    proxy: 'lighttpd',
    which: 'bare',
    check: 'hello',
    where: any,
    verdicts: ['nothing until the end', 'answered with 426'],
    sentence:
      'lighttpd collects an answer until it has ended, and passes no upgrade on: ' +
      'set server.stream-response-body = 2 and proxy.header = ( "upgrade" => "enable" ).',
  },
  {
    proxy: 'lighttpd',
    which: 'bare',
    check: 'lines',
    where: any,
    verdicts: ['all at the end'],
    sentence: 'lighttpd collects a body until it has ended: set server.stream-request-body = 2.',
  },
  {
    proxy: 'lighttpd',
    which: 'ours',
    check: 'lines',
    where: http2,
    verdicts: ['answered with 411'],
    sentence:
      'lighttpd takes no body of unknown length over HTTP/2: publish JSON lines over HTTP/1.1 (curl --http1.1).',
  },

  {
    proxy: 'Traefik',
    which: 'bare',
    check: 'rest',
    where: any,
    after: 60,
    verdicts: ['cut'],
    sentence: 'Traefik ends a request after a minute: set respondingTimeouts.readTimeout to 0.',
  },
  {
    proxy: 'Traefik',
    which: 'bare',
    check: 'restart',
    where: serverSent,
    verdicts: ['gives up on 502'],
    sentence: 'EventSource gives up for good on the 502 of a restart: use the retry middleware.',
  },

  {
    proxy: 'Envoy',
    which: 'bare',
    check: 'hello',
    where: webSocket,
    verdicts: ['answered with 403'],
    sentence: 'Envoy refuses an upgrade: set upgrade_configs: [{ upgrade_type: websocket }].',
  },
  {
    proxy: 'Envoy',
    which: 'bare',
    check: 'idle',
    where: notWebSocket,
    after: 15,
    verdicts: ['cut'],
    sentence: "Envoy ends every request after 15 s: set the route's timeout to 0s.",
  },
  {
    proxy: 'Envoy',
    which: 'bare',
    check: 'forwarded',
    where: any,
    verdicts: ['not told: address'],
    sentence: "Envoy does not tell the client's address: set use_remote_address: true.",
  },
  {
    proxy: 'Envoy',
    which: 'bare',
    check: 'restart',
    where: serverSent,
    verdicts: ['gives up on 503'],
    sentence:
      'EventSource gives up for good on the 503 of a restart: give the route a retry_policy.',
  },
  ...[
    ['nginx', 'arrives, opens ws, lines'],
    ['HAProxy', 'prompt sse, prompt chunked'],
    ['Apache httpd', 'opens ws, lines'],
    ['Varnish', 'opens ws'],
    ['lighttpd', 'opens sse, opens chunked, opens ws, lines'],
    ['Envoy', 'opens ws'],
  ].map(([proxy, finds]) => ({
    proxy,
    which: 'bare',
    check: 'doctor',
    where: any,
    verdicts: [`finds ${finds}`],
    sentence: 'tricast doctor finds this, and says which setting to change.',
  })),
];

/** What is known of this check on `stand`; `where` is a way or an HTTP version, `patience` how many seconds the check lasts. */
export const knownOf = (stand, check, where, patience = Infinity) =>
  known.find(
    (one) =>
      one.proxy === stand.proxy.name &&
      one.which === stand.which &&
      one.check === check &&
      one.where(where) &&
      patience > (one.after ?? 0),
  );
