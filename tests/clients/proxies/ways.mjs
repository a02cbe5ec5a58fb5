// The ways to a stream that a proxy has to carry: each wire by its own path and negotiated, in clear and over TLS.
const wires = ['sse', 'chunked', 'ws'];
const overs = {
  sse: ['HTTP/1.1', 'HTTP/2'],
  chunked: ['HTTP/1.1', 'HTTP/2'],
  // Over TLS by an upgrade of HTTP/1.1, as all clients but browsers do.
  ws: ['HTTP/1.1', 'TLS'],
};

const all = ['own', 'stream']
  .flatMap((path) =>
    wires.flatMap((wire) =>
      overs[wire].map((over) => ({
        wire,
        over,
        path: path === 'own' ? wire : 'stream',
        name: `${path === 'own' ? '' : '/stream as '}${wire} over ${over}`,
      })),
    ),
  )
  .map((way, rank) => ({ ...way, rank }));

/** Those that `stand` has: without TLS there is no HTTP/2. */
export const waysOf = (stand) => all.filter(({ over }) => over === 'HTTP/1.1' || stand.secure);

/** What carries plain requests. */
export const oversOf = (stand) => (stand.secure ? ['HTTP/1.1', 'HTTP/2'] : ['HTTP/1.1']);

export const baseOf = (stand, over) => (over === 'HTTP/1.1' ? stand.plain : stand.secure);

/** Past the proxy, by its gateway's own address as the base. */
export const straight = { wire: 'chunked', path: 'chunked', over: 'HTTP/1.1', name: 'straight' };
