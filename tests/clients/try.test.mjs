// The parts of the page to try: chat, the feature table, tokens, languages and the keyboard.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { startBrowser } from './browser.mjs';
import { alike, live, open, publish, shows, state, wires } from './dashboard.mjs';
import { startStage, ways } from './stage.mjs';
import { until } from './wait.mjs';

let browser, stage;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
const page = (options, path = '') => open(browser, stage.page + path, options);
const said = (tab) =>
  tab.$$eval('#chat-log li', (rows) => rows.map((row) => row.querySelector('.text').textContent));
const say = async (tab, text) => {
  await tab.fill('#chat-text', text);
  await tab.press('#chat-text', 'Enter');
};

for (const way of ways)
  describe(way, () => {
    beforeEach(async () => {
      stage = await startStage(way);
    });
    afterEach(() => stage?.close());

    test('two tabs chat: each line appears once with a light for each wire, and skip-self works', {
      timeout: 60_000,
    }, async () => {
      const [mine, other] = [await page(), await page()];
      await say(mine, 'hello <i>there</i>');
      for (const tab of [mine, other]) {
        await until(
          async () => (await tab.locator('#chat-log li .light.on').count()) === 3,
          'a light for each wire',
        );
        assert.deepEqual(await said(tab), ['hello <i>there</i>']);
      }
      await mine.check('#chat-skip');
      await say(mine, 'quietly');
      await until(async () => (await said(other)).length === 2, 'the other tab to hear it');
      await mine.uncheck('#chat-skip');
      await say(mine, 'loud');
      await until(
        async () => (await mine.locator('#chat-log li .light.on').count()) === 6,
        'the third line over each wire',
      );
      assert.deepEqual(await said(mine), ['hello <i>there</i>', 'quietly', 'loud']);
      assert.equal(
        await mine.locator('#chat-log li:nth-child(2) .light').count(),
        0,
        'it came back over no wire',
      );
      assert.deepEqual([...mine.errors, ...other.errors], []);
    });

    test('the lights of a line have one order, whichever wire delivers it first', {
      timeout: 60_000,
    }, async () => {
      stage.relay.delay('sse', 300);
      const tab = await page();
      await say(tab, 'hello');
      await until(
        async () => (await tab.locator('#chat-log li .light.on').count()) === 3,
        'a light for each wire',
      );
      const lights = await tab.$$eval('#chat-log li .light', (found) =>
        found.map(({ title }) => title),
      );
      assert.deepEqual(lights, ['SSE', 'Chunked', 'WebSocket']);
    });

    test('each row of the table shows its feature where it stands, or explains it', {
      timeout: 120_000,
    }, async () => {
      const tab = await page();
      await publish(tab, 'hello');
      await alike(tab, 1);
      const rows = tab.locator('#features tr:not(.shown)');
      const outcomes = [];
      for (let at = 0; at < (await rows.count()); at += 1) {
        const button = rows.nth(at).locator('button');
        await button.click();
        const below = tab.locator('#features .shown').nth(at);
        await below.waitFor({ state: 'visible' });
        assert.match(await below.locator('p').first().textContent(), /\.$/);
        // One after the other: each uses the streams of the page.
        await until(
          async () => (await button.getAttribute('aria-disabled')) !== 'true',
          () => `row ${at} to be over`,
          { timeout: 30_000 },
        );
        outcomes.push(await below.locator('p.outcome').textContent());
        await live(tab);
      }
      const time = /\d+(\.\d+)? (ms|s)/.source;
      const expected = [
        /^The WebSocket has sent a message/,
        /^$/,
        new RegExp(`Back after: SSE ${time}, Chunked ${time}, WebSocket ${time}`),
        /^5 messages were published while all wires were away; each wire received them/,
        /Reported as lost: SSE [1-9][\d,]*, Chunked [1-9][\d,]*, WebSocket [1-9][\d,]*/,
        /^Measured on this page: SSE [34]\d(\.\d)?, Chunked \d(\.\d)?, WebSocket \d(\.\d)? bytes/,
        /^$/,
        /^$/,
        /^$/,
        /^$/,
        /4 of 8 are open over HTTP\/1\.1/,
        // The read that is pending when the page stops takes at most three, or a heartbeat.
        /^While Chunked did not read, [3-6] messages waited/,
      ];
      assert.equal(outcomes.length, expected.length);
      for (const [at, pattern] of expected.entries()) assert.match(outcomes[at], pattern);
      assert.ok(
        await tab.evaluate(() => scrollY > 0 && document.activeElement.closest('#features')),
        'the page stays where the row is',
      );
      assert.deepEqual(tab.errors, []);
    });
  });

describe('anywhere', () => {
  afterEach(() => stage?.close());

  test('a pasted token opens a protected channel', { timeout: 60_000 }, async () => {
    const secret = 'a secret that is long enough for HS256';
    stage = await startStage('direct', { 'tokens.secret': secret });
    const tab = await (await browser.newContext()).newPage();
    await tab.goto(`${stage.page}#demo`);
    await state(tab, 'refused');
    // The reason stands beside the state, and a field for a token in the form.
    for (const wire of wires)
      assert.match(await tab.textContent(`.panel.${wire} .top + .reason`), /token/);
    // A refused stream is not idle: the page says what it needs, with the field in that line.
    await tab.waitForSelector('#locked:has-text("These streams need a token")');
    assert.ok(await tab.isHidden('#clock'));
    const empty = await tab.$eval('.panel.sse .messages', (list) => [
      list.childElementCount,
      getComputedStyle(list, '::before').content,
    ]);
    assert.deepEqual(empty, [0, 'none'], 'nobody is asked to publish');
    await tab.fill('#locked input', 'not a token');
    await tab.press('#locked input', 'Enter');
    await tab.waitForSelector('#locked:has-text("The gateway refuses this token")');
    const token = await new SignJWT({ subscribe: ['demo'], publish: ['demo'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('somebody')
      .setExpirationTime('5m')
      .sign(new TextEncoder().encode(secret));
    await tab.fill('#locked input', token);
    await tab.press('#locked input', 'Enter');
    await live(tab);
    assert.ok(await tab.isHidden('#locked'));
    assert.equal(await tab.inputValue('#token'), token, 'the form has it too');
    await publish(tab, 'let in');
    const [{ id }] = await alike(tab, 1);
    await tab.waitForSelector(`#bytes[data-id="${id}"]`);
    await tab.click('#languages [data-name="Go"]');
    assert.ok(!(await tab.textContent('body')).includes(token), 'it is shown nowhere');
    assert.match(await tab.textContent('#snippet'), /token=TOKEN/);
  });

  test('a gateway without token keys has no field for a token, and an old token is forgotten', {
    timeout: 60_000,
  }, async () => {
    stage = await startStage('direct');
    const tab = await (await browser.newContext()).newPage();
    await tab.addInitScript(() => sessionStorage.setItem('tricast.token', 'of another gateway'));
    await tab.goto(`${stage.page}#demo`);
    await live(tab);
    await tab.waitForSelector('#token', { state: 'hidden' });
  });

  test('the wire view shows every part of a stream in both formats', {
    timeout: 60_000,
  }, async () => {
    stage = await startStage('direct');
    const tab = await page();
    await publish(tab, 'héllo');
    await alike(tab, 1);
    const texts = async (part, format = 'json') => {
      await tab.check(`#scene input[value=${part}]`);
      await tab.selectOption('#scene select', format);
      await tab.waitForSelector(`#bytes[data-scene="${part} ${format}"]`);
      return Promise.all(wires.map((wire) => tab.textContent(`.spelled.${wire}`)));
    };
    const heads = await texts('head');
    assert.match(heads[0], /HTTP\/1\.1 200 OK\\r\\n\ncontent-type: text\/event-stream/);
    assert.match(heads[1], /application\/x-ndjson/);
    assert.match(heads[2], /101 Switching Protocols/);
    const ends = await texts('end');
    assert.ok(
      ends[0].endsWith('0\\r\\n\n\\r\\n\n') && ends[1].endsWith('0\\r\\n\n\\r\\n\n'),
      'the last chunk',
    );
    assert.match(ends[2], /88 [0-9a-f]{2}/);
    const beats = await texts('heartbeat');
    assert.match(beats[0], /2\\r\\n\n:\\n\n\\r\\n\n$/, 'a comment, and no blank line');
    assert.match(beats[1], /1\\r\\n\n\\n\n\\r\\n\n/);
    assert.match(beats[2], /89 /);
    const raw = await texts('message', 'raw');
    assert.match(raw[0], /data: héllo\\n\n/);
    assert.match(raw[1], /7\\r\\n\nhéllo\\n\n\\r\\n\n/);
    assert.match(raw[2], /héllo$/);
    assert.deepEqual(tab.errors, []);
  });

  test('the whole page is in Chinese too', { timeout: 60_000 }, async () => {
    stage = await startStage('direct');
    const tab = await page({ locale: 'zh-CN' });
    assert.equal(await tab.getAttribute('html', 'lang'), 'zh');
    await publish(tab, '你好');
    await alike(tab, 1);
    await say(tab, '大家好');
    await tab.click('#offline');
    await tab.click('#offline');
    await live(tab);
    for (const wire of wires) await shows(tab, wire, 'order', '有序\uff0c无重复');
    const { english, attributes } = await tab.evaluate(() => {
      // Names, code and user content are the same in every language.
      const same =
        'pre, code, kbd, .data, .seq, time, [data-field], #languages, #online dt, h1, h2, h3, th, #chat-log, option[lang], .u-legend, #outcome';
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const english = [];
      while (walker.nextNode()) {
        const { data, parentElement } = walker.currentNode;
        if (
          !parentElement.closest(`${same}, template, script, noscript`) &&
          /[a-z]{2} [a-z]{2}/i.test(data)
        )
          english.push(data.trim());
      }
      const attributes = [...document.querySelectorAll('[title], [placeholder], [aria-label]')]
        .flatMap((element) =>
          ['title', 'placeholder', 'aria-label'].map((name) => element.getAttribute(name) ?? ''),
        )
        .filter((text) => /[a-z]{2} [a-z]{2}/i.test(text));
      return { english, attributes };
    });
    assert.deepEqual(english, []);
    assert.deepEqual(attributes, []);
    await Promise.all([tab.waitForEvent('load'), tab.selectOption('#language', 'en')]);
    await live(tab);
    assert.equal(await tab.textContent('.panel.sse .state'), 'live');
    assert.equal(await tab.getAttribute('html', 'lang'), 'en');
    assert.deepEqual(tab.errors, []);
  });

  test('a duplicated tab has a client id of its own', { timeout: 60_000 }, async () => {
    stage = await startStage('direct');
    const tab = await page();
    const mine = await tab.evaluate(() => sessionStorage.getItem('tricast.client'));
    // A page opened by another one starts with a copy of its session storage, as a duplicate does.
    const [twin] = await Promise.all([
      tab.context().waitForEvent('page'),
      tab.evaluate(() => {
        window.open(location.href);
      }),
    ]);
    await live(twin);
    assert.equal(await tab.evaluate(() => sessionStorage.getItem('tricast.client')), mine);
    assert.notEqual(await twin.evaluate(() => sessionStorage.getItem('tricast.client')), mine);
    await until(async () => (await stage.gateway.online('demo')).users === 2, 'two to be online');
  });

  test('everything works with the keyboard', { timeout: 60_000 }, async () => {
    stage = await startStage('direct');
    const tab = await page();
    await tab.focus('#data');
    await tab.keyboard.type('typed');
    await tab.keyboard.press('Enter');
    const [{ id }] = await alike(tab, 1);
    await publish(tab, 'second');
    const [, { id: second }] = await alike(tab, 2);
    await tab.waitForSelector(`#bytes[data-id="${second}"]`);
    // Each list is one tab stop; the arrow keys move through it.
    await tab.focus('.panel.ws .messages');
    await tab.keyboard.press('ArrowDown');
    await tab.keyboard.press('ArrowDown');
    assert.notEqual(
      await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle),
      'none',
      'one sees at which message one is',
    );
    await tab.keyboard.press('Enter');
    await tab.waitForSelector(`#bytes[data-id="${id}"]`);
    // In the bytes the arrow keys move between the parts, and an explanation is shown below.
    await tab.focus('.spelled.ws .dump');
    await tab.keyboard.press('ArrowRight');
    assert.match(await tab.textContent('#meaning'), /FIN, opcode 1 \(text\)/);
    await tab.keyboard.press('ArrowRight');
    assert.match(await tab.textContent('#meaning'), /not masked, length/);
    // The Tab key reaches each control, with a visible focus.
    await tab.focus('#language');
    const reached = new Set(['language']);
    for (let n = 0; n < 120; n += 1) {
      await tab.keyboard.press('Tab');
      const at = await tab.evaluate(() => {
        const element = document.activeElement;
        const { outlineStyle } = getComputedStyle(element);
        if (element === document.body) return null;
        return {
          name:
            element.id ||
            `${element.closest('[class*=panel], section, div[id]')?.className ?? ''} ${element.className} ${element.name ?? ''} ${element.textContent.slice(0, 12)}`,
          seen: outlineStyle !== 'none',
        };
      });
      if (!at) break;
      assert.ok(at.seen, `one sees that ${at.name} has the focus`);
      reached.add(at.name);
    }
    for (const id of [
      'channel',
      'data',
      'event',
      'skip',
      'rate',
      'size',
      'shape',
      'run',
      'burst',
      'dropall',
      'offline',
      'overrun',
      'reload',
      'connection-limit',
      'chat-text',
      'copy',
      'seconds',
      'compare-start',
      'language',
    ]) {
      assert.ok(reached.has(id), `${id} is not reached: ${[...reached]}`);
    }
    assert.ok([...reached].filter((name) => name.includes('toggle')).length >= 3);
  });
});
