// The clock of the page: three living streams when it opens, until the visitor publishes or chooses.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { collectErrors, startBrowser } from './browser.mjs';
import { live, publish, shows, wires } from './dashboard.mjs';
import { startStage, ways } from './stage.mjs';
import { until } from './wait.mjs';

let browser, stage;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
afterEach(() => stage?.close());

/** Opens the page as a visitor does who types its address. */
async function visit(prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.errors = collectErrors(page);
  await prepare(page);
  await page.goto(stage.page);
  await live(page);
  return page;
}

const texts = (page, wire) =>
  page.$$eval(`.panel.${wire} .message .data`, (rows) =>
    rows.map(({ textContent }) => textContent),
  );
const ticks = (page, count) =>
  until(
    async () =>
      (await Promise.all(wires.map((wire) => texts(page, wire)))).every(
        (rows) => rows.filter((text) => /^tick \d+$/.test(text)).length >= count,
      ),
    `${count} ticks on every wire`,
  );
const line = (page) => page.textContent('#clock');

/** The channels of clocks, and how many messages each has. */
async function clocks() {
  const { channels } = await (await fetch(`${stage.gateway.url}/channels?prefix=clock-`)).json();
  return channels;
}

/** Lets a minute of the page's timers pass, and what they have requested be answered. */
async function passMinute(page) {
  await page.clock.runFor('01:00');
  await page.evaluate(() => fetch('style.css'));
}

for (const way of ways)
  test(`all three wires show messages, ids and latencies when the page opens: ${way}`, {
    timeout: 60_000,
  }, async () => {
    stage = await startStage(way);
    const page = await visit();
    await ticks(page, 2);
    for (const wire of wires) {
      await shows(page, wire, 'median', / ms$/);
      await shows(page, wire, 'reconnects', '0');
      await shows(page, wire, 'count', /^([2-9]|\d\d+)$/);
      await shows(page, wire, 'last', /^\w+-\d+$/);
      // The count is that of the channel, not of the clock.
      await shows(page, wire, 'online', '1');
      const { y, height } = await page.locator(`.panel.${wire} .message`).first().boundingBox();
      assert.ok(y + height < 900, `the first message of ${wire} ends at ${y + height} px`);
    }
    const [{ channel }] = await clocks();
    assert.ok((await line(page)).includes(channel));
    const client = await page.evaluate(() => sessionStorage.getItem('tricast.client'));
    assert.ok(!channel.includes(client), 'the client id is a secret');
    assert.deepEqual(await stage.gateway.history('demo'), [], 'nothing is in the channel itself');
    // The bytes of a tick are shown as those of any message.
    await page.click('.panel.ws .message');
    await page.waitForSelector('.spelled.ws .dump');
    assert.deepEqual(page.errors, []);
  });

const choices = {
  'a message of another program': async () => {
    await stage.gateway.publish('demo', 'from elsewhere');
  },
  'a message of the form': (page) => publish(page, 'typed'),
  'a message that this tab does not get': async (page) => {
    await page.check('#skip');
    await publish(page, 'for others');
  },
  'the choice of a channel': async (page) => {
    await page.fill('#channel', 'another');
    await page.press('#channel', 'Enter');
  },
};
for (const [name, choose] of Object.entries(choices))
  test(`the clock stops for good: ${name}`, { timeout: 60_000 }, async () => {
    stage = await startStage('direct');
    const page = await visit((opened) => opened.clock.install());
    await ticks(page, 1);
    await choose(page);
    await until(
      async () => /^The streams show the channel (demo|another)\.$/.test(await line(page)),
      async () => `the clock to stop; the page says: ${await line(page)}`,
    );
    const [{ messages }] = await clocks();
    await passMinute(page);
    const [{ messages: later }] = await clocks();
    assert.ok(later <= messages + 1, `${later - messages} ticks more`);
    assert.match(new URL(page.url()).hash, /^#(demo|another)$/);
    await page.reload();
    await live(page);
    await passMinute(page);
    assert.equal((await clocks())[0].messages, later, 'not after a reload either');
    assert.deepEqual(page.errors, []);
  });

test('ticks that are missed offline are replayed', { timeout: 60_000 }, async () => {
  stage = await startStage('direct');
  const page = await visit();
  await ticks(page, 1);
  await page.click('#offline');
  const [{ messages }] = await clocks();
  await until(async () => (await clocks())[0].messages >= messages + 2, 'ticks meanwhile');
  await page.click('#offline');
  await live(page);
  for (const wire of wires) {
    await shows(page, wire, 'replayed', /^[1-9]/);
    await shows(page, wire, 'order', 'in order, no duplicates');
  }
  assert.deepEqual(page.errors, []);
});

test('a page that may not publish says so, and its streams are idle', {
  timeout: 60_000,
}, async () => {
  stage = await startStage('direct', { 'access.publish': 'nobody' });
  const page = await visit();
  assert.match(await line(page), /^No clock ticks here, .*: nobody may publish to clock-/);
  for (const wire of wires) assert.deepEqual(await texts(page, wire), []);
  assert.deepEqual(await clocks(), []);
});

test('a page that may not read the clock has no clock, and its streams are open', {
  timeout: 60_000,
}, async () => {
  stage = await startStage('direct');
  const page = await visit((opened) =>
    opened.route('**/history/clock-*', (route) => route.fulfill({ status: 403 })),
  );
  assert.match(await line(page), /^No clock ticks here, .*: its channel cannot be read/);
  await stage.gateway.publish('demo', 'hello');
  await until(async () => (await texts(page, 'ws')).includes('hello'), 'the channel to be read');
});

test('a page out of sight publishes nothing until it comes into sight', {
  timeout: 60_000,
}, async () => {
  stage = await startStage('direct');
  const page = await visit(async (opened) => {
    await opened.clock.install();
    await opened.addInitScript(() => {
      globalThis.isHidden = true;
      Object.defineProperty(document, 'hidden', { get: () => globalThis.isHidden });
    });
  });
  await passMinute(page);
  assert.deepEqual(await clocks(), []);
  const turn = (hidden) =>
    page.evaluate((value) => {
      globalThis.isHidden = value;
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await turn(false);
  await ticks(page, 1);
  await turn(true);
  const [{ messages }] = await clocks();
  await passMinute(page);
  assert.ok((await clocks())[0].messages <= messages + 1);
});

test('the channel of a clock expires with its history', { timeout: 60_000 }, async () => {
  stage = await startStage('direct', { 'history.age': '1s' });
  const page = await visit();
  await ticks(page, 1);
  await page.context().close();
  await until(async () => !(await clocks()).length, 'the channel to be gone', { timeout: 20_000 });
});
