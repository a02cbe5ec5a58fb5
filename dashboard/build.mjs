// Builds the page into dist/, which the gateway embeds when it is compiled.
// With `--watch` it builds again at each change.
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { context } from 'esbuild';

const out = new URL('dist/', import.meta.url);
const source = new URL('src/', import.meta.url);
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await copyFile(new URL('index.html', source), new URL('index.html', out));

const build = await context({
  absWorkingDir: new URL('.', import.meta.url).pathname,
  entryPoints: { app: 'src/main.ts', style: 'src/style.css' },
  outdir: 'dist',
  bundle: true,
  minify: true,
  format: 'esm',
  splitting: true,
  chunkNames: '[name]',
  target: ['chrome109', 'firefox121', 'safari16.4'],
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
});
await build.rebuild();
if (process.argv.includes('--watch')) await build.watch();
else await build.dispose();
