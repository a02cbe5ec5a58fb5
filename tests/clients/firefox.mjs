// A real Firefox, over WebDriver BiDi: what one browser's network does another's need not.
import { mkdirSync } from 'node:fs';
import { artifacts } from './browser.mjs';
import { need } from './child.mjs';

export async function startFirefox() {
  const executablePath = need(process.env.FIREFOX ?? 'firefox-esr');
  const { default: puppeteer } = await import('puppeteer-core').catch(() => {
    throw new Error('puppeteer-core is missing: run make setup');
  });
  mkdirSync(artifacts, { recursive: true });
  return puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    acceptInsecureCerts: true,
  });
}
