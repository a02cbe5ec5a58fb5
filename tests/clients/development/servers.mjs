// Development servers, as they are started; their configurations are in docs/development-servers.md.
const page = '<!doctype html><title>page</title>';
const node = process.execPath;

export const vite = {
  name: 'Vite',
  file: 'vite.config.js',
  files: { 'index.html': page },
  command: (port) => [
    node,
    'node_modules/vite/bin/vite.js',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--strictPort',
  ],
};

export const middleware = {
  name: 'http-proxy-middleware',
  file: 'server.mjs',
  files: {},
  command: () => [node, 'server.mjs'],
};

/** As most tutorials have it: the gateway receives another Host than the page's. */
export const changingOrigin = {
  ...middleware,
  name: 'http-proxy-middleware, changeOrigin',
  change: (text) => replaced(text, /(target: '.*',)/, '$1 changeOrigin: true,'),
};

// webpack-cli would only call the same function.
export const webpack = {
  name: 'webpack-dev-server',
  file: 'webpack.config.mjs',
  files: {
    'src/index.js': 'document.title = "page";',
    'start.mjs': `import webpack from 'webpack';
import WebpackDevServer from 'webpack-dev-server';
import config from './webpack.config.mjs';
const server = new WebpackDevServer({ ...config.devServer, host: '127.0.0.1', port: Number(process.argv[2]) }, webpack(config));
await server.start();
`,
  },
  command: (port) => [node, 'start.mjs', String(port)],
};

/** Without the line of the document that ends streams. */
export const leavingOpen = {
  ...webpack,
  name: 'webpack-dev-server, bare',
  change: (text) => replaced(text, /^.*onProxyRes.*$/m, ''),
};

const next = {
  file: 'next.config.mjs',
  files: {
    'app/layout.jsx':
      'export default ({ children }) => <html lang="en"><body>{children}</body></html>;\n',
    'app/page.jsx': 'export default () => <p>page</p>;\n',
  },
  env: { NEXT_TELEMETRY_DISABLED: '1' },
};
const nextCommand = 'node_modules/next/dist/bin/next';

export const nextDevelopment = {
  ...next,
  name: 'next dev',
  command: (port) => [
    node,
    nextCommand,
    'dev',
    '--webpack',
    '--hostname',
    '127.0.0.1',
    '--port',
    String(port),
  ],
};

export const nextProduction = {
  ...next,
  name: 'next start',
  before: [[node, nextCommand, 'build', '--webpack']],
  command: (port) => [
    node,
    nextCommand,
    'start',
    '--hostname',
    '127.0.0.1',
    '--port',
    String(port),
  ],
};

function replaced(text, pattern, by) {
  if (!pattern.test(text)) throw new Error(`the document has no ${pattern}`);
  return text.replace(pattern, by);
}
