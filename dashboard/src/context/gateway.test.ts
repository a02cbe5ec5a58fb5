import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { request } from './gateway.ts';

// Where the token of a page would be.
Object.assign(globalThis, { sessionStorage: { getItem: () => null } });

test('an answer that stops in its middle is no answer', { timeout: 60_000 }, async (t) => {
  const server = createServer((asked, answer) => {
    answer.setHeader('Server', 'test');
    if (asked.url === '/whole') answer.end('{"online":1}');
    else if (asked.url === '/empty') answer.writeHead(204).end();
    else answer.write('{"online":');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = (path: string) => new URL(path, `http://127.0.0.1:${port}`);
  const whole = await request(url('/whole'));
  assert.deepEqual(await whole?.json(), { online: 1 });
  assert.equal(whole?.headers.get('server'), 'test');
  assert.equal((await request(url('/empty')))?.status, 204);
  assert.equal(await request(url('/half'), { signal: AbortSignal.timeout(200) }), null);
});
