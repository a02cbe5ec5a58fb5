// What docs/development-servers.md says of webpack and Next, which are too large to install for `make test`: `make field` does.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from './child.mjs';
import { leavingOpen, nextDevelopment, nextProduction, webpack } from './development/servers.mjs';
import { startDevelopment } from './development/stand.mjs';
import { developmentSuite } from './development/suite.mjs';
import { program } from './gateway.mjs';

const packages = fileURLToPath(new URL('field/', import.meta.url));

describe('webpack-dev-server', { timeout: 600_000 }, () =>
  developmentSuite(webpack, { packages, away: 504 }),
);
describe('webpack-dev-server without the line that ends streams', { timeout: 600_000 }, () => {
  test('tricast doctor names it, and the line', { timeout: 300_000 }, async () => {
    const stand = await startDevelopment(leavingOpen, packages, { 'stream.heartbeat': '1s' });
    try {
      const { code, output } = await run(program, ['doctor', '--json', stand.url]);
      assert.equal(code, 2, output);
      const { findings, proxy } = JSON.parse(output);
      assert.equal(proxy, 'Express');
      // It refuses WebSockets without an Origin.
      const resume = findings.find(({ check, wire }) => check === 'resume' && wire === 'ws');
      assert.equal(resume.verdict, 'good', output);
      const left = findings.filter(({ check, verdict }) => check === 'leaves' && verdict === 'bad');
      assert.ok(left.length, output);
      for (const { advice } of left) assert.match(advice, /onProxyRes/);
      assert.doesNotMatch(output, /HAProxy|abortonclose/);
    } finally {
      await stand.close();
    }
  });
});
describe('next dev', { timeout: 600_000 }, () =>
  developmentSuite(nextDevelopment, { packages, away: 500 }),
);
describe('next start', { timeout: 600_000 }, () =>
  developmentSuite(nextProduction, { packages, away: 500 }),
);
