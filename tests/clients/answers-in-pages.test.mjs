// An answer in real tabs: the page is reloaded again and again in mid-answer, other devices come and go, and all end with the same
// text. RELOADS says how often; `make soak` reloads more often than `make test`.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { artifacts, collectErrors, startBrowser } from './browser.mjs';
import { open, wires } from './dashboard.mjs';
import { repository, startGateway } from './gateway.mjs';
import { startRelay } from './relay.mjs';
import { startScripted } from './upstreams/scripted.mjs';
import { settingsFor } from './upstreams/settings.mjs';
import { until } from './wait.mjs';

const RELOADS = Number(process.env.RELOADS ?? 20);
/** Tokens between two reloads. */
const TOKENS = 10;

let browser, gateway, upstream, site, origin;
before(async () => {
  const page = await readFile(`${repository}examples/llm.html`);
  site = http
    .createServer((_request, response) =>
      response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page),
    )
    .listen(0, '127.0.0.1');
  await once(site, 'listening');
  origin = `http://127.0.0.1:${site.address().port}`;
  upstream = await startScripted(['script', 'another']);
  gateway = await startGateway({
    'cors.origins': origin,
    'stream.retry': '200ms',
    ...settingsFor(upstream, { relay: { orphan: '60s' } }),
  });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
  await gateway?.stop();
  await upstream?.close();
});

/** Opens the example on a device of its own, for the gateway at `url`. */
async function device(channel, url = gateway.url) {
  const context = await browser.newContext({ viewport: { width: 420, height: 640 } });
  const page = await context.newPage();
  page.errors = collectErrors(page);
  await page.goto(`${origin}/llm.html?channel=${channel}&gateway=${url}`);
  return page;
}
const textOf = (page) => page.$eval('#room .answer:last-child', (line) => line.textContent);
const shows = (page, text) =>
  until(
    async () => (await page.$('#room .answer')) && (await textOf(page)) === text,
    async () => `${JSON.stringify(text.slice(-60))}; there is: ${await page.textContent('#room')}`,
    { timeout: 30_000 },
  );
/** Asks in a page; resolves to the call at the upstream. */
async function askIn(page, question) {
  const next = upstream.calls.length;
  await page.fill('#text', question);
  await page.press('#text', 'Enter');
  return upstream.call(next);
}
const token = (n) => ` tökén ${n}${n % 7 ? '' : ' 🎉\n'}`;

test('reloads in mid-answer, and devices that join anywhere, see one text', {
  timeout: 60_000 + RELOADS * 10_000,
}, async (t) => {
  const page = await device('reloaded');
  const other = await device('reloaded');
  t.after(() => page.context().close());
  t.after(() => other.context().close());
  const call = await askIn(page, 'Tell me <b>everything</b>.');
  for (let n = 0; n < RELOADS * TOKENS; n += 1) {
    await call.say(token(n));
    if (n % TOKENS !== TOKENS - 1) continue;
    // What is said while the page is away has to be there when it is back.
    const reloaded = page.reload();
    await call.say('~');
    await reloaded;
    const joined = Math.random() < 0.3 ? await device('reloaded') : null;
    await Promise.all([page, other, joined].map((each) => each && shows(each, call.content)));
    await joined?.context().close();
  }
  await call.finish();
  const late = await device('reloaded');
  t.after(() => late.context().close());
  for (const each of [page, other, late]) {
    await shows(each, call.content);
    await each.waitForSelector('#room .answer[data-status=complete]');
    assert.equal(await each.textContent('#room .question'), 'Tell me <b>everything</b>.');
    assert.equal((await each.$$('#room li')).length, 2);
    assert.deepEqual(each.errors, []);
  }
  // What was said before is a part of the next question.
  const next = await askIn(late, 'And then?');
  assert.deepEqual(next.body.messages, [
    { role: 'user', content: 'Tell me <b>everything</b>.' },
    { role: 'assistant', content: call.content },
    { role: 'user', content: 'And then?' },
  ]);
  await next.say('That was it.');
  await next.finish();
  await shows(page, 'That was it.');
  await page.screenshot({ path: `${artifacts}llm.png` });
});

test('the other device stops the answer, and both show that it was stopped', {
  timeout: 60_000,
}, async (t) => {
  const page = await device('stopped');
  const other = await device('stopped');
  t.after(() => page.context().close());
  t.after(() => other.context().close());
  const call = await askIn(page, 'Tell me everything.');
  await call.say('so far');
  await Promise.all([shows(page, 'so far'), shows(other, 'so far')]);
  await other.click('#stop');
  await until(() => !call.open, 'the upstream to be left');
  for (const each of [page, other]) {
    await each.waitForSelector('#room .answer[data-status=cancelled]');
    assert.equal(await textOf(each), 'so far');
    assert.ok(await each.isDisabled('#stop'));
  }
});

test('the page at / has the same answer on all wires, over cuts, a reload and a second tab', {
  timeout: 120_000,
}, async (t) => {
  const page = await open(browser, `${gateway.url}/#wires`);
  t.after(() => page.context().close());
  const next = upstream.calls.length;
  await page.fill('#question', 'Hello?');
  await page.press('#question', 'Enter');
  const call = await upstream.call(next);
  const column = (tab, wire) => tab.textContent(`#answers .${wire} li:first-child .text`);
  const show = (tab) =>
    until(
      async () => {
        if ((await tab.$$('#answers li')).length < wires.length) return false;
        const texts = await Promise.all(wires.map((wire) => column(tab, wire)));
        return texts.every((text) => text === call.content);
      },
      async () => `${call.content} in each column: ${await tab.textContent('#answers')}`,
    );
  const say = async (...tabs) => {
    for (let n = 0; n < TOKENS; n += 1) await call.say(token(n));
    for (const tab of tabs) await show(tab);
  };
  await say(page);
  await page.click('#ask-cut');
  await say(page);
  await page.click('#ask-reload');
  await say(page);
  const second = await open(browser, `${gateway.url}/#wires`);
  t.after(() => second.context().close());
  await say(page, second);
  await call.finish();
  for (const tab of [page, second]) {
    await tab.waitForSelector('#agreement.good:not(:empty)');
    await show(tab);
    for (const wire of wires) await tab.waitForSelector(`#answers .${wire} [data-status=complete]`);
    assert.deepEqual(tab.errors, []);
  }
  await page.screenshot({ path: `${artifacts}ask.png`, fullPage: true });

  // The second tab stops what the first one has asked.
  await page.selectOption('#model', 'another');
  await page.fill('#question', 'Again?');
  await page.press('#question', 'Enter');
  const again = await upstream.call(next + 1);
  assert.deepEqual([call.body.model, again.body.model], ['script', 'another']);
  await again.say('so far');
  await second.waitForSelector('#answers [data-status=open]');
  await second.click('#ask-stop');
  await until(() => !again.open, 'the upstream to be left');
  await page.waitForSelector('#answers [data-status=cancelled]');
});

test('a gateway that is killed in mid-answer keeps what was there, and does not call it complete', {
  timeout: 180_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'answers-'));
  t.after(() => rm(folder, { recursive: true }));
  const settings = {
    'cors.origins': origin,
    'stream.retry': '200ms',
    'log.path': folder,
    ...settingsFor(upstream),
  };
  let logged = await startGateway(settings);
  t.after(() => logged.stop());
  const relay = await startRelay(logged.url);
  t.after(() => relay.close());
  const page = await device('killed', relay.url);
  const other = await device('killed', relay.url);
  t.after(() => page.context().close());
  t.after(() => other.context().close());
  const call = await askIn(page, 'Tell me everything.');
  for (let n = 0; n < TOKENS; n += 1) await call.say(token(n));
  await Promise.all([shows(page, call.content), shows(other, call.content)]);

  await logged.kill();
  await until(() => !call.open, 'the upstream to be left');
  logged = await startGateway(settings);
  relay.lead(logged.url);
  // One comes back by itself, one is reloaded, and one comes later.
  await other.reload();
  const late = await device('killed', relay.url);
  t.after(() => late.context().close());
  for (const each of [page, other, late]) {
    await each.waitForSelector('#room .answer[data-status=error]', { timeout: 30_000 });
    assert.equal(await textOf(each), call.content);
    assert.ok(await each.isDisabled('#stop'));
  }
  // The next question is answered, and the text so far is a part of it.
  const next = await askIn(late, 'And then?');
  assert.equal(next.body.messages[1].content, call.content);
  await next.say('That was it.');
  await next.finish();
  await Promise.all([page, other, late].map((each) => shows(each, 'That was it.')));
});

test('without a model the page asks none', { timeout: 60_000 }, async (t) => {
  const plain = await startGateway();
  t.after(() => plain.stop());
  const page = await open(browser, `${plain.url}/#wires`);
  t.after(() => page.context().close());
  assert.ok(await page.isHidden('#askbox'));
  assert.ok(await page.isHidden('[data-goto=askbox]'));
});
