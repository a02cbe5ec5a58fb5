// The look of the page at `/`: light and dark, wide and narrow. Writes screenshots to artifacts/.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { artifacts, startBrowser } from './browser.mjs';
import { alike, live, open, publish } from './dashboard.mjs';
import { startGateway } from './gateway.mjs';

let browser, gateway;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway?.stop());

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', ...phone },
  'phone-dark': { colorScheme: 'dark', ...phone },
};
for (const [name, options] of Object.entries(looks)) {
  test(`the page fits and is readable: ${name}`, { timeout: 60_000 }, async () => {
    const page = await open(browser, `${gateway.url}/`, options);
    for (const data of [
      'hello',
      { pair: 'EUR/USD', price: 1.0842 },
      'a longer text that runs over more than one line where the panel is narrow',
      'one line\nand another',
    ])
      await gateway.publish('demo', data, typeof data === 'object' ? '?event=price' : '');
    await alike(page, 4);
    await publish(page, 'typed into the form');
    await alike(page, 5);
    await page.click('.panel.ws .toggle');
    await page.click('.panel.ws .toggle');
    await live(page);
    // The counts of the wires arrive a moment later.
    await page.waitForFunction(() =>
      [...document.querySelectorAll('#online dd')].every((count) => count.textContent === '1'),
    );
    await page.screenshot({ path: `${artifacts}dashboard-${name}.png`, fullPage: true });

    const { width, unreadable } = await page.evaluate(measure);
    assert.ok(width <= page.viewportSize().width, `the page is ${width} px wide`);
    assert.deepEqual(unreadable, [], 'WCAG AA asks for a contrast of 4.5');
  });
}

/** Runs in the page; returns its width and the texts with too little contrast. */
function measure() {
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) =>
    [r, g, b]
      .map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const unreadable = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [dark, light] = [
      luminance(rgb(getComputedStyle(element).color)),
      luminance(behind(element)),
    ].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) unreadable.push(`${texts.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return { width: document.documentElement.scrollWidth, unreadable };
}
