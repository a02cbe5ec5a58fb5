// The chat example in two real tabs, from another origin than the gateway's: CORS, presence and skip-self as a page meets them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { artifacts, collectErrors, startBrowser } from './browser.mjs';
import { repository, startGateway } from './gateway.mjs';
import { startRelay } from './relay.mjs';

let browser, gateway, relay, site, origin;
before(async () => {
  const page = await readFile(`${repository}examples/chat.html`);
  site = http
    .createServer((_request, response) =>
      response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page),
    )
    .listen(0, '127.0.0.1');
  await once(site, 'listening');
  origin = `http://127.0.0.1:${site.address().port}`;
  gateway = await startGateway({ 'cors.origins': origin, 'stream.retry': '300ms' });
  relay = await startRelay(gateway.url);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
  await relay?.close();
  await gateway?.stop();
});

async function tab(name) {
  const page = await (
    await browser.newContext({ viewport: { width: 420, height: 600 } })
  ).newPage();
  page.errors = collectErrors(page);
  await page.goto(`${origin}/chat.html?name=${name}&gateway=${relay.url}`);
  await connected(page);
  return page;
}
const connected = (page) =>
  page.waitForFunction(() => document.querySelector('#state').textContent === 'connected');
const online = (page, count) =>
  page.waitForFunction(
    (count) => document.querySelector('#online').textContent === String(count),
    count,
  );
const room = (page) =>
  page.$$eval('#room li', (lines) =>
    lines.map((line) => [line.className, line.innerText.replace(/\s*\n\s*/g, ': ')]),
  );
const lines = (page, count) =>
  page.waitForFunction((count) => document.querySelectorAll('#room li').length === count, count);
async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
  await page.waitForFunction(() => document.querySelector('#text').value === '');
}

test('two tabs talk, count each other and never hear themselves', { timeout: 60_000 }, async () => {
  const ann = await tab('ann');
  await online(ann, 1);
  const ben = await tab('ben');
  await Promise.all([online(ann, 2), online(ben, 2)]);

  await say(ann, 'hello <i>Ben</i>');
  await lines(ben, 1);
  await say(ben, 'hello Ann');
  await lines(ann, 2);
  const talk = ['ann: hello <i>Ben</i>', 'ben: hello Ann'];
  assert.deepEqual(await room(ann), [
    ['mine', talk[0]],
    ['theirs', talk[1]],
  ]);
  assert.deepEqual(await room(ben), [
    ['theirs', talk[0]],
    ['mine', talk[1]],
  ]);

  // The replay after a cut must neither repeat anything nor bring a tab its own words.
  await ann.evaluate(() => {
    document.querySelector('#state').textContent = 'cut';
  });
  relay.cut();
  await Promise.all([connected(ann), connected(ben)]);
  await say(ben, 'still there?');
  await lines(ann, 3);
  await say(ann, 'yes');
  await lines(ben, 4);
  assert.deepEqual((await room(ben)).slice(2), [
    ['mine', 'ben: still there?'],
    ['theirs', 'ann: yes'],
  ]);
  await ann.screenshot({ path: `${artifacts}chat.png` });

  const late = await tab('cat');
  await Promise.all([online(ann, 3), lines(late, 4)]);
  await late.context().close();
  await Promise.all([online(ann, 2), online(ben, 2)]);
  assert.deepEqual([...ann.errors, ...ben.errors], []);
});

test('a page of an origin that is not allowed hears nothing', { timeout: 60_000 }, async () => {
  const page = await (await browser.newContext()).newPage();
  // The same site under another name is another origin.
  await page.goto(`${origin.replace('127.0.0.1', 'localhost')}/chat.html?gateway=${gateway.url}`);
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'refused');
});
