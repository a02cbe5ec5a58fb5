// The look of the page at `/`: light and dark, wide and narrow. Writes screenshots to artifacts/.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { artifacts, startBrowser } from './browser.mjs';
import { alike, live, open, publish, wires } from './dashboard.mjs';
import { startGateway } from './gateway.mjs';
import { until } from './wait.mjs';

/** With a model, so that the page has all of its sections. */
const demo = { LLM: '[{ name = "demo", url = "demo:" }]', 'access.prompt': 'auto' };

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
  test(`the page fits and is readable: ${name}`, { timeout: 60_000 }, async (t) => {
    const gateway = await startGateway(demo);
    t.after(() => gateway.stop());
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
    await page.fill('#question', 'What is a log?');
    await page.press('#question', 'Enter');
    await page.waitForSelector('#agreement.good:not(:empty)', { timeout: 30_000 });
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

/** The box of the first match, in pixels of the document. */
const box = (page, selector) =>
  page.$eval(selector, (element) => {
    const { top, bottom, right } = element.getBoundingClientRect();
    return { top: top + scrollY, bottom: bottom + scrollY, right };
  });

test('the answer comes first, then the wires with their messages, then what can be broken', {
  timeout: 60_000,
}, async () => {
  const page = await open(browser, `${gateway.url}/`);
  await gateway.publish('demo', 'the first message');
  await alike(page, 1);
  const order = ['#answer', '#panels', '#publish', '#load', '#faults', '#codebox', '#wireview'];
  const tops = await Promise.all(order.map(async (part) => (await box(page, part)).top));
  assert.deepEqual(
    tops,
    [...tops].sort((a, b) => a - b),
    String(tops),
  );
  assert.equal(await page.locator('#answer li').count(), 3);
  for (const wire of wires)
    assert.ok((await box(page, `.panel.${wire} .message`)).bottom < 900, `${wire} in sight`);
  assert.ok((await box(page, '#publish button[type=submit]')).bottom < 900, 'and the form');
  // Three figures first; the others are folded, and open together.
  assert.deepEqual(await page.locator('.panel.ws dt:visible').allTextContents(), [
    'messages',
    'median latency',
    'reconnects',
  ]);
  await page.click('.panel.sse summary');
  await until(async () => (await page.locator('.panel dt:visible').count()) === 42, 'all figures');
  // Each button says what will happen before it is pressed.
  for (const button of await page.$$('#faults button'))
    assert.match(
      await button.evaluate(
        (one) => document.getElementById(one.getAttribute('aria-describedby')).innerText,
      ),
      /^\w.{30,}/,
    );
  // Empty charts take no room.
  assert.ok(await page.isHidden('#charts'));
  await publish(page, 'a message with a latency');
  await page.waitForSelector('#charts', { state: 'visible' });
  await page.click('#answer-compare');
  await page.waitForSelector('#progress', { state: 'visible' });
});

test('the tabs show where one is, also where they do not all fit', {
  timeout: 60_000,
}, async () => {
  for (const viewport of [{ width: 1280, height: 900 }, phone.viewport]) {
    const page = await open(browser, `${gateway.url}/`, { viewport });
    const shown = () =>
      page.$$eval('nav [aria-current]', (tabs) => tabs.map(({ textContent }) => textContent));
    const current = (name) =>
      until(
        async () => String(await shown()) === name,
        async () => `${name} to be current: ${await shown()} at ${await page.evaluate('scrollY')}`,
      );
    await current('Three wires');
    assert.equal(
      await page.getAttribute('nav', 'data-more'),
      viewport.width < 800 ? 'right' : null,
    );
    for (const name of ['Break it', 'On the wire', 'Three wires']) {
      await page.click(`nav :text-is("${name}")`);
      await current(name);
    }
    // The button above the wires leads to a section too.
    await page.click('#answer-compare');
    await current('Comparison');
    await page.click('#compare-start');
    await page.waitForSelector('#finding .advice li');
    await current('Comparison');
  }
});

test('the tabs follow a page that grows', { timeout: 60_000 }, async () => {
  const page = await open(browser, `${gateway.url}/`);
  const current = (name) => page.waitForSelector(`nav [aria-current]:text-is("${name}")`);
  await page.evaluate(() => document.querySelector('#comparison').scrollIntoView());
  // A short section ends above the line that counts.
  await current('Which one?');
  await page.evaluate(() => {
    document.querySelector('#finding').style.minHeight = '100rem';
  });
  await current('Comparison');
});

test('a phone shows two wires at a time, and compares them without scrolling sideways', {
  timeout: 60_000,
}, async () => {
  const page = await open(browser, `${gateway.url}/`, phone);
  const [first, second] = [await box(page, '.panel.sse'), await box(page, '.panel.chunked')];
  assert.ok(second.bottom - first.top < phone.viewport.height, `${second.bottom - first.top} px`);
  const below =
    (await box(page, '#publish')).bottom - (await box(page, '#publish button[type=submit]')).bottom;
  assert.ok(below < 24, `${below} px of nothing below the button`);
  for (const wire of wires)
    assert.ok((await box(page, `#features td.${wire}`)).right <= phone.viewport.width, wire);
  await page.click('#languages [data-name=Python]');
  assert.ok(
    await page.$eval('#snippet', (code) => code.scrollWidth <= code.clientWidth),
    'code wraps',
  );
});

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
