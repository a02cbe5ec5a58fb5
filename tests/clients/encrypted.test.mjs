// The gateway's own TLS with real clients: every wire over one HTTP/2 connection of Chromium, curl by each version, and a certificate that
// changes while they listen.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { startBrowser } from './browser.mjs';
import { run } from './child.mjs';
import { program, startGateway } from './gateway.mjs';
import { makeCertificate } from './proxies/certificate.mjs';
import { kinds, openPage } from './proxies/pages.mjs';
import { tlsOf } from './stage.mjs';
import { until } from './wait.mjs';

async function startEncrypted(t) {
  const folder = mkdtempSync(join(tmpdir(), 'encrypted-'));
  const certificate = await makeCertificate(folder);
  const gateway = await startGateway({ 'shutdown.grace': '1s', ...tlsOf(certificate) });
  t.after(async () => {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, certificate, gateway };
}

const fingerprint = (secure) =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(secure);
    const socket = tls.connect({ host: hostname, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });

test('every wire comes over HTTP/2 in Chromium, and none notices a new certificate', {
  timeout: 60_000,
}, async (t) => {
  const { folder, gateway } = await startEncrypted(t);
  const browser = await startBrowser();
  t.after(() => browser.close());
  const readers = await Promise.all(
    Object.keys(kinds).map((kind) => openPage(browser, gateway, kind, 'demo')),
  );
  const have = (data) =>
    until(() => readers.every(({ ledger }) => ledger.data.includes(data)), `${data} on every wire`);
  await until(() => readers.every(({ ledger }) => ledger.hellos.length), 'hello on every wire');
  await gateway.publish('demo', 'before');
  await have('before');
  assert.deepEqual(
    readers.map(({ protocol }) => protocol),
    ['h2', 'h2', 'h2'],
  );

  const old = await fingerprint(gateway.secure);
  await makeCertificate(folder);
  gateway.signal('SIGHUP');
  await until(async () => (await fingerprint(gateway.secure)) !== old, 'the new certificate');
  await gateway.publish('demo', 'behind');
  await have('behind');
  assert.deepEqual(
    readers.map(({ attempts }) => attempts),
    [1, 1, 1],
    'none has come back',
  );
  for (const { ledger } of readers) assert.deepEqual(ledger.problems, []);
});

test('the doctor believes in a certificate that it is given, and in no other', {
  timeout: 60_000,
}, async (t) => {
  const { certificate, gateway } = await startEncrypted(t);
  const visit = (...args) => run(program, ['doctor', ...args, gateway.secure]);
  const { code, output } = await visit('--ca', certificate.cert);
  assert.equal(code, 0, output);
  assert.match(output, /HTTP\/2\.0 to here/);
  const other = await makeCertificate(mkdtempSync(join(tmpdir(), 'other-')));
  for (const args of [[], ['--ca', other.cert]]) {
    const refused = await visit(...args);
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /certificate/);
  }
});

test('curl listens and publishes by each version of HTTP', { timeout: 30_000 }, async (t) => {
  const { certificate, gateway } = await startEncrypted(t);
  const curl = (...args) =>
    run('curl', ['-sS', '--max-time', '5', '-w', '\\n%{http_version}', ...args]);
  const cases = [
    [['--http1.1', '--cacert', certificate.cert], gateway.secure, '1.1'],
    [['--http2', '--cacert', certificate.cert], gateway.secure, '2'],
    [['--http2-prior-knowledge'], gateway.url, '2'],
    [['--http1.0'], gateway.url, '1'],
  ];
  for (const [how, url, version] of cases) {
    const published = await curl(
      ...how,
      '-d',
      'hello',
      `${url}/publish/${version.replace('.', '_')}`,
    );
    assert.equal(published.output.split('\n').at(-1), version, published.errors);
    for (const wire of ['sse', 'chunked']) {
      const channel = `${wire}-${version.replace('.', '_')}`;
      const listening = curl('-N', ...how, `${url}/${wire}/${channel}`);
      await until(async () => (await gateway.online(channel)).connections === 1, 'curl to listen');
      await fetch(`${gateway.url}/publish/${channel}?end=true`, { method: 'POST', body: 'hello' });
      const { code, output, errors } = await listening;
      assert.equal(code, 0, errors);
      assert.match(output, /"data":"hello"/);
      assert.equal(output.trim().split('\n').at(-1), version, output);
    }
  }
});
