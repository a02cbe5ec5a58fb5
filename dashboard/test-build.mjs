// Bundles each unit test for Node: version 20 does not run TypeScript.
import { readdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';

const out = 'node_modules/.cache/tests';
const files = await readdir('src', { recursive: true });
const tests = files.filter((file) => file.endsWith('.test.ts')).map((file) => `src/${file}`);
await rm(out, { recursive: true, force: true });
await build({
  entryPoints: tests,
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
});
