// What docs/development-servers.md says of webpack and Next, which are too large to install for `make test`: `make field` does.

import { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nextDevelopment, nextProduction, webpack } from './development/servers.mjs';
import { developmentSuite } from './development/suite.mjs';

const packages = fileURLToPath(new URL('field/', import.meta.url));

describe('webpack-dev-server', { timeout: 600_000 }, () =>
  developmentSuite(webpack, { packages, away: 504 }),
);
describe('next dev', { timeout: 600_000 }, () =>
  developmentSuite(nextDevelopment, { packages, away: 500 }),
);
describe('next start', { timeout: 600_000 }, () =>
  developmentSuite(nextProduction, { packages, away: 500 }),
);
