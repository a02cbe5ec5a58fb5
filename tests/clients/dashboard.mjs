// Opens the page at `/` and reads its three panels.
import assert from 'node:assert/strict';
import { collectErrors } from './browser.mjs';
import { until } from './wait.mjs';

export const wires = ['sse', 'chunked', 'ws'];

/**
 * Opens the page with all three wires live; `page.errors` holds its errors.
 * An address without a channel gets one, because the page's clock would add messages of its own.
 */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.errors = collectErrors(page);
  await page.goto(address.includes('#') ? address : `${address}#demo`);
  await live(page);
  return page;
}

/** Waits until all panels are in a state. */
export const state = (page, name) =>
  Promise.all(wires.map((wire) => page.waitForSelector(`.panel.${wire}[data-state=${name}]`)));
export const live = (page) => state(page, 'live');

/** Returns the messages of each panel, oldest first. */
const listed = (page) =>
  Promise.all(
    wires.map((wire) =>
      page.$$eval(`.panel.${wire} .message`, (rows) =>
        rows.reverse().map((row) => ({
          id: row.dataset.id,
          data: row.querySelector('.data').textContent,
          tags: [...row.querySelectorAll('.tag')].map((tag) => tag.textContent),
        })),
      ),
    ),
  );

/** The `count` messages that all panels list alike, once they do. */
export async function alike(page, count) {
  const panels = await until(
    async () => {
      const now = await listed(page);
      return now.every((rows) => rows.length >= count) && now;
    },
    async () => `${count} messages in each panel: ${JSON.stringify(await listed(page))}`,
  );
  assert.deepEqual(panels[1], panels[0]);
  assert.deepEqual(panels[2], panels[0]);
  assert.equal(panels[0].length, count);
  return panels[0];
}

export const field = (page, wire, name) => page.textContent(`.panel.${wire} [data-field=${name}]`);

/** Waits until a figure of a panel is that text, or fits that pattern; the page paints them a few times a second. */
export const shows = (page, wire, name, wanted) =>
  until(
    async () => {
      const now = await field(page, wire, name);
      return wanted instanceof RegExp ? wanted.test(now) : now === wanted;
    },
    async () => `${name} of ${wire} to be ${wanted}; it is ${await field(page, wire, name)}`,
  );

/** Waits until the form says what became of the message, in words that begin so; the answer may come later than the message. */
export const outcome = (page, words) =>
  until(
    async () => (await page.textContent('#outcome')).startsWith(words),
    async () => `the form to say "${words}"; it says "${await page.textContent('#outcome')}"`,
  );

/** Waits for a line of a kind in every panel that is no message. */
export const notice = (page, text) =>
  Promise.all(
    wires.map((wire) => page.waitForSelector(`.panel.${wire} .notice:has-text("${text}")`)),
  );

export async function publish(page, text) {
  await page.fill('#data', text);
  await page.press('#data', 'Enter');
}
