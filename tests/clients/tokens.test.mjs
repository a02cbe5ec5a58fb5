// Tokens made by a library that we did not write (jose), checked by the gateway with keys from a real JWKS server, and used
// by a browser in every way that a browser has: cookie, query, header, subprotocol.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { startBrowser } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { until } from './wait.mjs';

const secret = new TextEncoder().encode('a secret that the tests share with the gateway');
const text = new TextDecoder().decode(secret);

let browser, gateway;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
afterEach(() => gateway?.stop());

const token = (claims, { alg = 'HS256', key = secret, kid, ends = '2m' } = {}) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg, kid })
    .setIssuedAt()
    .setExpirationTime(ends)
    .sign(key);

const status = async (path, bearer) =>
  (
    await fetch(`${gateway.url}${path}`, {
      headers: bearer ? { Authorization: `Bearer ${bearer}` } : {},
    })
  ).status;

test('what jose signs with any algorithm holds, by keys of a JWKS server that turn', {
  timeout: 60_000,
}, async () => {
  const pairs = {};
  for (const alg of ['RS256', 'ES256', 'EdDSA']) pairs[alg] = await generateKeyPair(alg);
  const jwk = async (alg) => ({
    ...(await exportJWK(pairs[alg].publicKey)),
    alg,
    kid: `the ${alg} key`,
    use: 'sig',
  });
  let keys = [await jwk('RS256'), await jwk('ES256'), await jwk('EdDSA')];
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.end(JSON.stringify({ keys }));
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    gateway = await startGateway({
      'tokens.jwks_url': `http://127.0.0.1:${server.address().port}/keys`,
      'tokens.jwks_refresh': '1s',
    });
    for (const alg of Object.keys(pairs)) {
      const signed = await token(
        { sub: 'alice', subscribe: ['orders.*'] },
        { alg, key: pairs[alg].privateKey, kid: `the ${alg} key` },
      );
      await until(
        async () => (await status('/history/orders.1', signed)) === 200,
        `${alg} to be known`,
      );
      assert.equal(await status('/history/chat', signed), 403, alg);
      assert.equal(await status('/history/orders.1', signed.slice(0, -6)), 401, alg);
      const other = await token(
        { subscribe: ['orders.*'] },
        { alg, key: (await generateKeyPair(alg)).privateKey, kid: `the ${alg} key` },
      );
      assert.equal(await status('/history/orders.1', other), 401, alg);
    }
    // The key is taken back: what it has signed holds no more, within the refresh.
    const old = await token(
      { subscribe: ['orders.*'] },
      { alg: 'RS256', key: pairs.RS256.privateKey, kid: 'the RS256 key' },
    );
    assert.equal(await status('/history/orders.1', old), 200);
    keys = keys.slice(1);
    await until(async () => (await status('/history/orders.1', old)) === 401, 'the key to be gone');
    assert.ok(asked >= 2);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

/** Runs in the page: opens a stream each way that a page has, and tells what came first on each. */
async function everyWay(token) {
  const first = (source) =>
    new Promise((resolve) => {
      source.addEventListener('tricast.hello', (event) =>
        resolve(JSON.parse(event.data).user ?? null),
      );
      source.onerror = () => resolve(`closed: ${source.readyState === EventSource.CLOSED}`);
    });
  const heard = {};
  heard.nothing = await first(new EventSource('/sse/orders.1'));
  heard.query = await first(new EventSource(`/sse/orders.1?token=${token}`));
  const socket = new WebSocket(`ws://${location.host}/ws/orders.1`, [
    'tricast.v1.json',
    `tricast.token.${token}`,
  ]);
  heard.subprotocol = await new Promise((resolve) => {
    socket.onmessage = (event) => resolve(JSON.parse(event.data).user);
    socket.onerror = () => resolve('failed');
  });
  heard.protocol = socket.protocol;
  const response = await fetch('/chunked/orders.1', {
    headers: { Authorization: `Bearer ${token}` },
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  heard.header = JSON.parse((await reader.read()).value.split('\n')[0]).user;
  document.cookie = `session=${token}; SameSite=Strict`;
  heard.cookie = await first(new EventSource('/sse/orders.1'));
  return heard;
}

test('Chromium comes with a token in every way that a page has', { timeout: 60_000 }, async () => {
  gateway = await startGateway({ 'tokens.secret': text, 'tokens.cookie': 'session' });
  const page = await browser.newPage();
  await page.goto(gateway.url);
  const signed = await token({ sub: 'alice', subscribe: ['orders.*'] });
  const heard = await page.evaluate(`(${everyWay})(${JSON.stringify(signed)})`);
  assert.deepEqual(heard, {
    // Refused for good: an EventSource does not come back.
    nothing: 'closed: true',
    query: 'alice',
    subprotocol: 'alice',
    protocol: 'tricast.v1.json',
    header: 'alice',
    cookie: 'alice',
  });
  await page.close();
});

test('a page of another origin cannot use the cookie', { timeout: 60_000 }, async () => {
  gateway = await startGateway({ 'tokens.secret': text, 'tokens.cookie': 'session' });
  const context = await browser.newContext();
  const signed = await token({ sub: 'alice', subscribe: ['**'], publish: ['**'] });
  // Cookies know no ports: a page of another port has this one too.
  await context.addCookies([{ name: 'session', value: signed, url: gateway.url, sameSite: 'Lax' }]);
  const foreign = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html>');
  });
  await new Promise((resolve) => {
    foreign.listen(0, '127.0.0.1', resolve);
  });
  try {
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
    const heard = await page.evaluate(async (url) => {
      const closed = (socket) =>
        new Promise((resolve) => {
          socket.onclose = () => resolve('closed');
          socket.onmessage = () => resolve('open');
        });
      await fetch(`${url}/publish/orders`, {
        method: 'POST',
        mode: 'no-cors',
        credentials: 'include',
        body: 'forged',
      }).catch(() => {});
      return {
        ws: await closed(new WebSocket(`${url.replace('http', 'ws')}/ws/orders`)),
        sse: await new Promise((resolve) => {
          const source = new EventSource(`${url}/sse/orders`, { withCredentials: true });
          source.addEventListener('tricast.hello', () => resolve('open'));
          source.onerror = () => resolve('closed');
        }),
      };
    }, gateway.url);
    assert.deepEqual(heard, { ws: 'closed', sse: 'closed' });
    const held = await (
      await fetch(`${gateway.url}/history/orders`, {
        headers: { Authorization: `Bearer ${signed}` },
      })
    ).json();
    assert.deepEqual(held.messages, [], 'nothing was published in her name');
  } finally {
    foreign.close();
    foreign.closeAllConnections();
    await context.close();
  }
});

/** Runs in the page: listens with a token that ends soon, and comes with a new one when it is told. */
async function refresh(first, next) {
  const socket = new WebSocket(`ws://${location.host}/ws/orders.1`, [
    'tricast.v1.json',
    `tricast.token.${first}`,
  ]);
  const seen = [];
  const over = new Promise((resolve) => {
    socket.onclose = (event) => resolve(event.code);
  });
  const renewed = new Promise((resolve) => {
    socket.onmessage = (event) => {
      const document = JSON.parse(event.data);
      seen.push(document.event);
      if (document.event === 'tricast.expiring')
        socket.send(JSON.stringify({ type: 'renew', token: next, ref: 1 }));
      if (document.ref === 1) resolve(document.event);
    };
  });
  const source = new EventSource(`/sse/orders.1?token=${first}`);
  const goodbye = new Promise((resolve) => {
    source.addEventListener('tricast.goodbye', (event) => {
      source.close();
      resolve(JSON.parse(event.data).reason);
    });
  });
  return {
    renewed: await renewed,
    reason: await goodbye,
    open: socket.readyState === WebSocket.OPEN || (await over),
  };
}

test('a page renews its token on an open WebSocket, and is told when a stream ends with it', {
  timeout: 60_000,
}, async () => {
  gateway = await startGateway({
    'tokens.secret': text,
    'tokens.warning': '3s',
    'tokens.leeway': '0s',
  });
  const page = await browser.newPage();
  await page.goto(gateway.url);
  const claims = { sub: 'alice', subscribe: ['orders.*'] };
  const [first, next] = [await token(claims, { ends: '5s' }), await token(claims)];
  const heard = await page.evaluate(
    `(${refresh})(${JSON.stringify(first)}, ${JSON.stringify(next)})`,
  );
  assert.deepEqual(heard, { renewed: 'tricast.ack', reason: 'expired', open: true });
  await page.close();
});
