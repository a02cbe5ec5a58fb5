// What docs/development-servers.md says of Vite and http-proxy-middleware; development-servers.field.mjs tries the others.

import { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { middleware, vite } from './development/servers.mjs';
import { developmentSuite } from './development/suite.mjs';

const packages = fileURLToPath(new URL('.', import.meta.url));

describe('Vite', { timeout: 600_000 }, () => developmentSuite(vite, { packages, away: 500 }));
describe('http-proxy-middleware', { timeout: 600_000 }, () =>
  developmentSuite(middleware, { packages, away: 504 }),
);
