// `tricast doctor` behind real proxies: some of them here, all of them in proxies.soak.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, start, stop } from './child.mjs';
import { changingOrigin } from './development/servers.mjs';
import { startDevelopment } from './development/stand.mjs';
import { program, startGateway } from './gateway.mjs';
import { freePort } from './port.mjs';
import { proxies } from './proxies/all.mjs';
import { doctor } from './proxies/checks/doctor.mjs';
import { knownOf } from './proxies/known.mjs';
import { startStand } from './proxies/stand.mjs';
import { until } from './wait.mjs';

for (const [name, which] of [
  ['nginx', 'ours'],
  ['nginx', 'bare'],
  ['Envoy', 'bare'],
  ['lighttpd', 'bare'],
]) {
  test(`${name}, ${which}`, { timeout: 90_000 }, async () => {
    const stand = await startStand(
      proxies.find((proxy) => proxy.name === name),
      which,
    );
    try {
      const { verdict, note, detail } = await doctor(stand, 'HTTP/1.1');
      const known = knownOf(stand, 'doctor', 'HTTP/1.1');
      assert.ok((known?.verdicts ?? ['ok']).includes(verdict), JSON.stringify(detail));
      // Each of these says in its answers who it is.
      assert.equal(note, name);
      for (const { advice } of detail) assert.match(advice, new RegExp(`^${name}: set `));
    } finally {
      await stand.close();
    }
  });
}

// As the file in ops/proxy says, it takes no body without a length over HTTP/2: that is no fault of its settings.
test('lighttpd, ours, over HTTP/2', { timeout: 90_000 }, async () => {
  const stand = await startStand(
    proxies.find((proxy) => proxy.name === 'lighttpd'),
    'ours',
  );
  try {
    const { verdict, detail } = await doctor(stand, 'HTTP/2');
    assert.equal(verdict, 'ok', JSON.stringify(detail));
    const { code, output } = await run(program, [
      'doctor',
      '--json',
      '--ca',
      stand.cert,
      stand.secure,
    ]);
    assert.equal(code, 0);
    const lines = JSON.parse(output).findings.find(({ check }) => check === 'lines');
    assert.equal(lines.verdict, 'fair', JSON.stringify(lines));
    assert.match(lines.said, /lighttpd takes no body without a length over HTTP\/2/);
    assert.match(lines.advice, /publish JSON lines over HTTP\/1\.1/);
  } finally {
    await stand.close();
  }
});

// http-proxy cuts the document that says why a handshake is refused, and leaves the header.
test('http-proxy-middleware with changeOrigin', { timeout: 90_000 }, async () => {
  const packages = fileURLToPath(new URL('.', import.meta.url));
  const stand = await startDevelopment(changingOrigin, packages);
  try {
    const { code, output } = await run(program, ['doctor', '--json', stand.url]);
    assert.equal(code, 2, output);
    const bad = JSON.parse(output).findings.filter(({ verdict }) => verdict === 'bad');
    assert.deepEqual(
      bad.map(({ check, wire }) => [check, wire]),
      [['opens', 'ws']],
      output,
    );
    // The document, or what the header says.
    assert.match(bad[0].said, /forbidden-origin|pages of origin/);
    assert.match(bad[0].advice, /^have the proxy forward the host of the request/);
    assert.doesNotMatch(output, /HAProxy|Upgrade/);
  } finally {
    await stand.close();
  }
});

test('nginx, caching', { timeout: 180_000 }, async () => {
  const stand = await startStand(
    proxies.find((proxy) => proxy.name === 'nginx'),
    'cached',
    { 'stream.heartbeat': '1s' },
  );
  try {
    const { code, output } = await run(program, ['doctor', '--json', stand.plain]);
    assert.equal(code, 2, output);
    const { findings } = JSON.parse(output);
    const of = (check, wire) =>
      findings.find((one) => one.check === check && (!wire || one.wire === wire));
    assert.equal(of('cache').verdict, 'bad', output);
    assert.match(of('cache').advice, /^nginx: set proxy_cache off/);
    // It is not deceived by the cache: the gateway learns at once.
    assert.equal(of('leaves', 'ws').verdict, 'good', output);
    for (const { check, verdict, advice } of findings)
      if (check === 'leaves' && verdict !== 'good') assert.match(advice, /^nginx: .*proxy_cache/);
    assert.doesNotMatch(output, /HAProxy|abortonclose/);
  } finally {
    await stand.close();
  }
});

// It shows itself by nothing, so its setting is named to everyone with an unnamed proxy.
test('HAProxy, bare', { timeout: 90_000 }, async () => {
  const stand = await startStand(
    proxies.find((proxy) => proxy.name === 'HAProxy'),
    'bare',
    { 'stream.heartbeat': '1s' },
  );
  try {
    const { note, detail } = await doctor(stand, 'HTTP/1.1');
    assert.equal(note, 'unnamed');
    const late = detail.filter(({ check }) => check === 'prompt');
    assert.ok(late.length, JSON.stringify(detail));
    for (const { advice } of late) assert.match(advice, /option http-no-delay/);
  } finally {
    await stand.close();
  }
});

test('a gateway that stops while silent streams are watched', { timeout: 60_000 }, async () => {
  const gateway = await startGateway();
  const child = start(program, ['doctor', '--json', '--idle', '5s', gateway.url]);
  await until(
    () => child.errors.includes('watching silent streams for 5s'),
    'the doctor to say that it waits',
    { timeout: 30_000 },
  );
  await gateway.stop();
  assert.equal(await child.exited, 2, child.errors);
  const { findings } = JSON.parse(child.output);
  assert.equal(
    findings.filter(({ check, verdict }) => check === 'opens' && verdict === 'good').length,
    3,
  );
  // Its streams have been ended by the gateway, and no proxy is blamed for it.
  const bad = findings.filter(({ verdict }) => verdict === 'bad');
  assert.deepEqual(
    bad.map(({ check }) => check),
    ['breaks-off'],
    child.output,
  );
  assert.match(
    bad[0].said,
    /the examination ended while checking silent streams: .*(503|cannot be reached)/,
  );
  assert.ok(bad[0].advice);
});

const examining = (gateway, ...args) =>
  start(program, ['doctor', '--idle', '5m', ...args, gateway.url]);
const watching = (child) =>
  until(() => child.errors.includes('watching silent streams'), 'the doctor to wait', {
    timeout: 60_000,
  });

for (const [name, said] of [
  ['SIGINT', 'interrupted (SIGINT)'],
  ['SIGTERM', 'terminated (SIGTERM)'],
])
  test(`${name} ends it with what it has found`, { timeout: 120_000 }, async () => {
    const gateway = await startGateway();
    const child = examining(gateway);
    try {
      await watching(child);
      // Each finding was printed when it was known.
      for (const line of [/ok +opens +sse/, /ok +opens +ws/, /ok +lines/])
        assert.match(child.output, line);
      assert.equal(await stop(child, name), 2, child.errors);
      assert.ok(child.output.includes(`${said} while checking silent streams`), child.output);
      assert.match(child.output, /Not everything was checked\.\n$/);
    } finally {
      await stop(child);
      await gateway.stop();
    }
  });

test('Ctrl-C leaves a whole JSON document', { timeout: 120_000 }, async () => {
  const gateway = await startGateway();
  const child = examining(gateway, '--json');
  try {
    await watching(child);
    assert.equal(child.output, '');
    assert.equal(await stop(child, 'SIGINT'), 2, child.errors);
    const { complete, findings } = JSON.parse(child.output);
    assert.equal(complete, false);
    assert.equal(findings.at(-1).check, 'breaks-off');
    assert.equal(
      findings.filter(({ check, verdict }) => check === 'opens' && verdict === 'good').length,
      3,
    );
  } finally {
    await stop(child);
    await gateway.stop();
  }
});

test('on a terminal it shows that it runs', { timeout: 120_000 }, async () => {
  const gateway = await startGateway();
  try {
    const { output } = await run('script', [
      '-qec',
      `'${program}' doctor ${gateway.url}`,
      '/dev/null',
    ]);
    assert.match(output, / … leaving sse \(/);
    assert.match(output, /Streams work\./);
  } finally {
    await gateway.stop();
  }
});

test('where nobody can be asked', { timeout: 30_000 }, async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, output, errors } = await run(program, ['doctor', '--json', url]);
  assert.equal(code, 1);
  const said = JSON.parse(output);
  assert.deepEqual(Object.keys(said).sort(), ['error', 'url']);
  assert.equal(said.url, url);
  assert.match(said.error, /cannot be reached: nothing listens there/);
  assert.match(errors, /cannot be reached/);
});

test('--help tells what a token needs, and how it ends', { timeout: 60_000 }, async () => {
  const { code, output } = await run(program, ['doctor', '--help']);
  assert.equal(code, 0);
  assert.match(
    output,
    /tricast token --sub doctor --subscribe 'orders\.\*' --publish 'orders\.\*'/,
  );
  assert.match(output, /--channel orders\.doctor/);
  for (const line of [/^ +0 {2}when/m, /^ +2 {2}when/m, /^ +1 {2}when/m])
    assert.match(output, line);
});
