// `tricast doctor` behind real proxies: some of them here, all of them in proxies.soak.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxies } from './proxies/all.mjs';
import { doctor } from './proxies/checks/doctor.mjs';
import { knownOf } from './proxies/known.mjs';
import { startStand } from './proxies/stand.mjs';

for (const [name, which] of [['nginx', 'ours'], ['nginx', 'bare'], ['Envoy', 'bare'], ['lighttpd', 'bare']]) {
  test(`${name}, ${which}`, { timeout: 90_000 }, async () => {
    const stand = await startStand(proxies.find((proxy) => proxy.name === name), which);
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
