// Opens the clients that need a browser, each in a page of its own whose origin is that client's relay.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const inPage = fileURLToPath(new URL('in-page.js', import.meta.url));

export async function pageReader(browser, url, ledger, kind) {
  // The scripts below come from this test and not from the gateway, whose policy rightly refuses them.
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  // A call out of the browser costs more than a message: under load many share one.
  await page.exposeFunction('takeAll', (texts) => {
    for (const text of texts) ledger.take(JSON.parse(text));
  });
  await page.exposeFunction('fault', (problem) => ledger.fault(problem));
  page.on('pageerror', (error) => ledger.fault(error));
  // Any document of the gateway gives the page its origin; this one opens no streams of its own.
  await page.goto(new URL('/channels', url).href);
  if (kind === 'fetchEventSource')
    await page.addScriptTag({ content: await fetchEventSourceBundle() });
  await page.evaluate(() => {
    const texts = [];
    globalThis.take = (text) => {
      if (texts.push(text) === 1) setTimeout(() => globalThis.takeAll(texts.splice(0)), 10);
    };
  });
  await page.addScriptTag({ path: inPage });
  await page.evaluate(
    ([name, address]) => {
      globalThis.readers[name](address);
    },
    [kind, url],
  );
  return { close: () => context.close() };
}

/** The published CommonJS files of @microsoft/fetch-event-source as one script, without a bundler. */
async function fetchEventSourceBundle() {
  let folder;
  try {
    folder = dirname(createRequire(import.meta.url).resolve('@microsoft/fetch-event-source'));
  } catch {
    throw new Error('@microsoft/fetch-event-source is missing: run make setup');
  }
  const modules = await Promise.all(
    ['parse', 'fetch'].map(async (name) => {
      const source = await readFile(join(folder, `${name}.js`), 'utf8');
      return `modules['./${name}'] = {}; ((exports, require) => {\n${source}\n})(modules['./${name}'], (name) => modules[name]);`;
    }),
  );
  return `{ const modules = {};\n${modules.join('\n')}\nglobalThis.fetchEventSource = modules['./fetch'].fetchEventSource; }`;
}
