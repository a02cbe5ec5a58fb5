// The page in Firefox: three wires, resume, figures, a comparison, and no violation of its policy.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { artifacts } from './browser.mjs';
import { wires } from './dashboard.mjs';
import { startFirefox } from './firefox.mjs';
import { startStage, ways } from './stage.mjs';
import { until } from './wait.mjs';

let firefox, stage, page;
before(async () => {
  firefox = await startFirefox();
});
after(() => firefox?.close());
afterEach(async () => {
  await page?.close();
  await stage?.close();
});

const each = (condition, ...args) => page.waitForFunction(condition, { timeout: 20_000 }, ...args);
const live = () =>
  each(
    (wires) =>
      wires.every((wire) => document.querySelector(`.panel.${wire}`)?.dataset.state === 'live'),
    wires,
  );
const listed = () =>
  page.evaluate(
    (wires) =>
      wires.map((wire) =>
        [...document.querySelectorAll(`.panel.${wire} .message .data`)]
          .reverse()
          .map(({ textContent }) => textContent),
      ),
    wires,
  );
const alike = (...expected) =>
  until(
    async () => (await listed()).every((rows) => JSON.stringify(rows) === JSON.stringify(expected)),
    async () => `${expected}; it was ${JSON.stringify(await listed())}`,
  );

for (const way of [...ways, 'nginx over TLS', 'TLS of its own'])
  describe(way, () => {
    test('three wires reconnect after a cut and receive what they missed', {
      timeout: 90_000,
    }, async () => {
      stage = await startStage(way);
      page = await firefox.newPage();
      await page.setViewport({ width: 1280, height: 900 });
      const errors = [];
      // Over HTTP/2 the browser itself reports a connection that this test cuts, open or not yet open.
      page.on('pageerror', (error) => {
        if (!/was interrupted while the page was loading|can’t establish a connection/.test(error))
          errors.push(String(error));
      });
      page.on('console', (line) => {
        if (/Content-Security-Policy|SyntaxError|TypeError/.test(line.text()))
          errors.push(line.text());
      });
      // The browser reports violations by an event as well as on the console.
      await page.evaluateOnNewDocument(() => {
        globalThis.stopped = [];
        document.addEventListener('securitypolicyviolation', (event) =>
          globalThis.stopped.push(`${event.violatedDirective} ${event.blockedURI}`),
        );
      });
      await page.goto(`${stage.page}#demo`);
      await live();
      await page.type('#data', 'typed');
      await page.keyboard.press('Enter');
      await alike('typed');

      for (const wire of wires) await page.click(`.panel.${wire} .cut`);
      stage.relay.cut();
      for (const text of ['a', 'b']) await stage.gateway.publish('demo', text);
      await alike('typed', 'a', 'b');
      await live();
      await page.click('#offline');
      await stage.gateway.publish('demo', 'c');
      await page.click('#offline');
      await alike('typed', 'a', 'b', 'c');

      await page.type('#chat-text', 'hi');
      await page.keyboard.press('Enter');
      await each(() => document.querySelectorAll('#chat-log .light.on').length === 3);
      await page.$eval('#seconds', (input) => {
        input.value = 6;
      });
      await page.click('#compare-start');
      await each(() => document.querySelectorAll('#finding .advice li').length > 0);
      const sentences = await page.$$eval('#finding .advice li', (lines) =>
        lines.map(({ textContent }) => textContent),
      );
      assert.equal(
        sentences.filter((line) => /delivered all \d+ messages, in order; cut once/.test(line))
          .length,
        3,
        sentences.join('\n'),
      );
      await page.screenshot({
        path: `${artifacts}firefox-${way.replaceAll(' ', '-')}.png`,
        fullPage: true,
      });
      assert.deepEqual([...errors, ...(await page.evaluate(() => globalThis.stopped))], []);
    });
  });
