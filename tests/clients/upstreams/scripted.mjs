// An upstream that a test steers: it sends what the test says, byte by byte if need be, and knows when its client has left.
import { once } from 'node:events';
import http from 'node:http';
import { until } from '../wait.mjs';

/** One request for an answer, and the answer as far as the test has sent it. */
class Call {
  #response;
  #content = '';

  constructor(request, body, response) {
    this.headers = request.headers;
    this.body = body;
    this.#response = response;
    /** Whether the client still waits for the answer, or for more of it. */
    this.open = true;
    response.on('close', () => {
      this.open = false;
    });
  }

  /** What `say` has sent. */
  get content() {
    return this.#content;
  }

  head(status = 200, headers = { 'Content-Type': 'text/event-stream' }) {
    this.#response.writeHead(status, headers);
    this.#response.flushHeaders();
  }

  /** Sends bytes as they are; resolves once they are on their way. */
  async raw(bytes) {
    if (!this.#response.headersSent) this.head();
    await new Promise((resolve) => {
      this.#response.write(bytes, resolve);
    });
  }

  chunk(choices, more = {}) {
    const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, ...more };
    return this.raw(`data: ${JSON.stringify({ model: this.body.model, ...chunk, choices })}\n\n`);
  }

  delta(delta, index = 0) {
    return this.chunk([{ index, delta, finish_reason: null }]);
  }

  /** Sends a piece of the text. */
  say(content) {
    this.#content += content;
    return this.delta({ content });
  }

  /** Ends the answer as it should be. */
  async finish(reason = 'stop', usage) {
    await this.chunk([{ index: 0, delta: {}, finish_reason: reason }]);
    if (usage) await this.chunk([], { usage });
    await this.raw('data: [DONE]\n\n');
    this.end();
  }

  /** Ends the body in order, whatever it holds. */
  end(bytes = '') {
    this.#response.end(bytes);
  }

  /** Closes the connection without the end of the body. */
  drop() {
    this.#response.socket.destroy();
  }

  /** Cuts the connection in the middle of the body. */
  cut() {
    this.#response.socket.resetAndDestroy();
  }
}

/** `calls` holds the requests so far; `call(n)` waits for one. */
export async function startScripted(models = ['script']) {
  const calls = [];
  const sockets = new Set();
  const server = http.createServer(async (request, response) => {
    if (request.method === 'GET') {
      const data = models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'test' }));
      response.setHeader('Content-Type', 'application/json');
      return response.end(JSON.stringify({ object: 'list', data }));
    }
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString());
    return calls.push(new Call(request, body, response));
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    models,
    calls,
    call: (n) => until(() => calls[n], `request ${n} to reach the upstream`),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
