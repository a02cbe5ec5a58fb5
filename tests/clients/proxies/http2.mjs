// fetch over HTTP/2, in the shape that npm's eventsource takes: Node's own fetch speaks HTTP/1.1 alone.
import { connect, constants } from 'node:http2';
import { Readable } from 'node:stream';

/** `fetch` of one client, with one connection that it opens again when it is gone. */
export function overHttp2(ca) {
  let session = null;
  const live = (origin) => {
    if (session && !session.closed && !session.destroyed) return session;
    session = connect(origin, { ca });
    session.on('error', () => {
      /* the request says so */
    });
    return session;
  };

  /** A request whose body is still to be written, and its answer. */
  function request(url, { method = 'GET', headers = {} } = {}) {
    const { origin, pathname, search } = new URL(url);
    const stream = live(origin).request(
      { ':method': method, ':path': pathname + search, ...lower(headers) },
      { endStream: method === 'GET' },
    );
    const answer = new Promise((resolve, reject) => {
      stream.on('error', reject);
      stream.on('close', () =>
        reject(new Error(`the stream was closed (${stream.rstCode}) before it was answered`)),
      );
      stream.on('response', (fields) =>
        resolve({
          status: fields[':status'],
          ok: fields[':status'] === 200,
          headers: { get: (name) => fields[name.toLowerCase()] ?? null },
        }),
      );
    });
    answer.catch(() => {
      /* the caller that awaits it gets the error */
    });
    return { stream, answer };
  }

  async function fetch(url, { method, headers, body, signal } = {}) {
    const { stream, answer } = request(url, { method, headers });
    signal?.addEventListener('abort', () => stream.close(constants.NGHTTP2_CANCEL));
    if (method && method !== 'GET') stream.end(body);
    const response = await answer;
    return {
      ...response,
      url: String(url),
      redirected: false,
      body: Readable.toWeb(stream),
      text: () => textOf(stream),
    };
  }

  return { fetch, request, close: () => session?.destroy() };
}

const lower = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

async function textOf(stream) {
  let text = '';
  for await (const bytes of stream) text += bytes;
  return text;
}
