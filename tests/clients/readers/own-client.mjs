// The client module of the dashboard, in a page of its own.
import { run } from '../child.mjs';
import { repository } from '../gateway.mjs';

/** The module as a script that defines `Tricast`. */
export async function buildOwnClient() {
  const built = await run(
    `${repository}dashboard/node_modules/.bin/esbuild`,
    ['src/client/index.ts', '--bundle', '--format=iife', '--global-name=Tricast'],
    { cwd: `${repository}dashboard`, hint: 'run make page' },
  );
  if (built.code !== 0) throw new Error(built.errors);
  return built.output;
}

/** Opens `channel` on one wire after `since`, an id; all that comes is taken, doubles included. */
export async function ownClientReader(browser, gateway, ledger, { script, wire, channel, since }) {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.exposeFunction('take', (text) => ledger.take(JSON.parse(text)));
  page.on('pageerror', (error) => ledger.fault(error));
  await page.goto(`${gateway}/channels`);
  await page.addScriptTag({ content: script });
  await page.evaluate(
    (options) => {
      globalThis.connection = Tricast.connect({
        ...options,
        onDocument: (text) => globalThis.take(text),
      });
    },
    { gateway, channel, since, wires: [wire] },
  );
  return { close: () => context.close() };
}
