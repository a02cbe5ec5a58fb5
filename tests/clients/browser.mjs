// A real Chromium, because only a browser shows what EventSource, fetch and CORS do.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { need } from './child.mjs';

const quiet = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-quic'];
export const artifacts = fileURLToPath(new URL('artifacts/', import.meta.url));

export async function startBrowser() {
  const executablePath = need(process.env.CHROMIUM ?? '/usr/bin/chromium');
  const { chromium } = await import('playwright-core').catch(() => { throw new Error('playwright-core is missing: run make setup'); });
  mkdirSync(artifacts, { recursive: true });
  return chromium.launch({ executablePath, headless: true, args: quiet });
}

/** Collects what a page complains about: a good page has no uncaught error and no breach of its own policy. */
export function complaints(page) {
  const heard = [];
  page.on('pageerror', (error) => heard.push(String(error)));
  page.on('console', (line) => {
    // A connection that a test cuts on purpose is reported as a failed resource, behind a proxy as its 502; that is no fault of the page.
    if (line.type() === 'error' && !/net::ERR_|WebSocket connection to|status of 502/.test(line.text())) heard.push(line.text());
  });
  return heard;
}
