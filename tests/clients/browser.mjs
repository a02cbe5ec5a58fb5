// A real Chromium, because only a browser shows the behaviour of EventSource, fetch and CORS.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { need } from './child.mjs';

const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
];
export const artifacts = fileURLToPath(new URL('artifacts/', import.meta.url));

export async function startBrowser() {
  const executablePath = need(process.env.CHROMIUM ?? '/usr/bin/chromium');
  const { chromium } = await import('playwright-core').catch(() => {
    throw new Error('playwright-core is missing: run make setup');
  });
  mkdirSync(artifacts, { recursive: true });
  return chromium.launch({ executablePath, headless: true, args: quiet });
}

/** Collects the errors of a page: uncaught exceptions and violations of its own policy. */
export function collectErrors(page) {
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (line) => {
    // A connection that a test cuts is reported as a failed resource, or as the 502 of a proxy.
    if (
      line.type() === 'error' &&
      !/net::ERR_|WebSocket connection to|status of 502/.test(line.text())
    )
      errors.push(line.text());
  });
  return errors;
}
