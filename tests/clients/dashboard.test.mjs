// The page at `/` in Chromium, directly and behind nginx: its form, its panels, and their failures.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import {
  alike,
  field,
  live,
  notice,
  open,
  outcome,
  publish,
  shows,
  state,
  wires,
} from './dashboard.mjs';
import { startStage, ways } from './stage.mjs';

let browser, stage;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
const dashboard = (path = '') => open(browser, stage.page + path);

for (const way of ways)
  describe(way, () => {
    beforeEach(async () => {
      stage = await startStage(way);
    });
    afterEach(() => stage?.close());

    test('a message from the form appears in all three panels with one id', {
      timeout: 60_000,
    }, async () => {
      const page = await dashboard();
      const text = 'hello <b>bold</b> & "quoted" ünï';
      await publish(page, text);
      const [{ id }] = await alike(page, 1);
      await outcome(page, `Published ${id} to 3 subscribers`);

      await page.fill('#data', '{"price": 42.10}');
      await page.check('input[value="application/json"]');
      await page.fill('#event', 'price');
      await page.click('#publish button');
      const [first, second] = await alike(page, 2);

      assert.deepEqual([first.data, first.tags], [text, []]);
      assert.deepEqual([second.data, second.tags], ['{ "price": 42.1 }', ['price']]);
      // The EventSource reopens for the new name and may miss the publish.
      await outcome(page, `Published ${second.id} to `);
      assert.deepEqual(
        (await stage.gateway.history('demo')).map(({ id }) => id),
        [first.id, second.id],
      );
      for (const wire of wires) {
        await shows(page, wire, 'last', second.id);
        await shows(page, wire, 'count', '2');
        assert.equal(
          await field(page, wire, 'client'),
          await page.evaluate(() => sessionStorage.getItem('tricast.client')),
        );
        // Three wires of one tab are one client.
        await shows(page, wire, 'online', '1');
        await page.waitForFunction(
          (wire) => document.querySelector(`#online [data-wire=${wire}]`).textContent === '1',
          wire,
        );
      }
      assert.deepEqual(page.errors, []);
    });

    test('the wire view splits a message byte by byte', { timeout: 60_000 }, async () => {
      const page = await dashboard();
      await publish(page, 'héllo');
      const [{ id }] = await alike(page, 1);
      await page.waitForSelector(`#bytes[data-id="${id}"]`);
      const [{ time }] = await stage.gateway.history('demo');
      const document = JSON.stringify({
        id,
        channel: 'demo',
        event: 'message',
        data: 'héllo',
        online: 1,
        time,
      });
      const length = Buffer.byteLength(document);
      assert.ok(length < 126, 'a length of one byte');
      const chunk = (around) => `${(length + around).toString(16).toUpperCase()}\\r\\n\n`;
      const expected = {
        sse: [
          `${chunk(Buffer.byteLength(`data: \nid: ${id}\n\n`))}data: ${document}\\n\nid: ${id}\\n\n\\n\n\\r\\n\n`,
          length,
        ],
        chunked: [`${chunk(1)}${document}\\n\n\\r\\n\n`, length],
        ws: [`81 ${length.toString(16)} ${document}`, length],
      };
      for (const wire of wires) {
        const [text, payload] = expected[wire];
        const shown = page.locator(`.spelled.${wire}`);
        assert.equal(await shown.locator('.dump').textContent(), text);
        const all = Number(await shown.getAttribute('data-bytes'));
        assert.match(
          await shown.locator('.sum').textContent(),
          new RegExp(`^${all} bytes: ${payload} document, ${all - payload} overhead`),
        );
        // The widths of the segments are the shares.
        const widths = await shown
          .locator('.bar span')
          .evaluateAll((parts) => parts.map((part) => parseFloat(part.style.width)));
        assert.ok(Math.abs(widths.reduce((sum, width) => sum + width) - 100) < 0.01, widths);
      }
      assert.match(
        await page.locator('.spelled.ws .dump span').first().getAttribute('title'),
        /^10000001: FIN, opcode 1 \(text\)$/,
      );

      await publish(page, 'a second one');
      await alike(page, 2);
      await page.waitForSelector(`#bytes:not([data-id="${id}"])`);
      await page.click(`.panel.chunked .message[data-id="${id}"]`);
      await page.waitForSelector(`#bytes[data-id="${id}"]`);
      assert.deepEqual(page.errors, []);
    });

    test('a refusal is shown and nothing is published', { timeout: 60_000 }, async () => {
      const page = await dashboard();
      await page.fill('#data', '{"not json');
      await page.check('input[value="application/json"]');
      await page.click('#publish button');
      await page.waitForSelector('#outcome.bad:not(:empty)');
      assert.equal(await page.inputValue('#data'), '{"not json', 'what was typed is kept');
      assert.deepEqual(await stage.gateway.history('demo'), []);
    });

    test('an unknown event name reaches the EventSource panel too', {
      timeout: 60_000,
    }, async () => {
      const page = await dashboard();
      await stage.gateway.publish('demo', 1, '?event=surprise');
      await stage.gateway.publish('demo', 2);
      await stage.gateway.publish('demo', 3, '?event=surprise');
      assert.deepEqual(
        (await alike(page, 3)).map(({ data }) => data),
        ['1', '2', '3'],
      );
    });

    test('skip-self keeps a message from its own tab only', { timeout: 60_000 }, async () => {
      const [mine, other] = [await dashboard(), await dashboard()];
      await mine.waitForFunction(
        () => document.querySelector('#online [data-wire=all]').textContent === '2',
      );
      await mine.check('#skip');
      await publish(mine, 'for the others');
      await alike(other, 1);
      await mine.uncheck('#skip');
      await publish(mine, 'for all');
      assert.deepEqual(
        (await alike(mine, 1)).map(({ data }) => data),
        ['for all'],
      );
      await alike(other, 2);
    });

    test('each wire reconnects after a cut and misses nothing', { timeout: 60_000 }, async () => {
      const page = await dashboard();
      await stage.gateway.publish('demo', 'before');
      await alike(page, 1);
      stage.relay.cut();
      for (let i = 0; i < 5; i += 1) await stage.gateway.publish('demo', `away ${i}`);
      assert.equal((await alike(page, 6)).at(-1).data, 'away 4');
      await live(page);

      await page.click('.panel.chunked .toggle');
      await page.waitForSelector('.panel.chunked[data-state=disconnected]');
      await stage.gateway.publish('demo', 'while disconnected');
      await page.click('.panel.chunked .toggle');
      await alike(page, 7);
      assert.deepEqual(page.errors, []);
    });

    test('a wire that the gateway cuts reconnects by itself and the others stay open', {
      timeout: 60_000,
    }, async () => {
      const page = await dashboard();
      await stage.gateway.publish('demo', 'before');
      await alike(page, 1);
      for (const wire of wires) {
        await page.click(`.panel.${wire} .cut`);
        await page.waitForSelector(
          `.panel.${wire} .notice:has-text("goodbye: requested, reconnect now")`,
        );
        await page.waitForSelector(`.panel.${wire} .notice:has-text("resumed after")`);
        await page.waitForSelector(`.panel.${wire}[data-state=live]`);
        assert.equal(
          await page.locator('.notice:has-text("goodbye")').count(),
          wires.indexOf(wire) + 1,
          'nobody else was cut',
        );
      }
      await stage.gateway.publish('demo', 'after');
      await alike(page, 2);
      assert.deepEqual(page.errors, []);
    });

    test('a gateway sends a goodbye at its shutdown, and its successor reports a new log', {
      timeout: 60_000,
    }, async () => {
      const page = await dashboard();
      await stage.gateway.publish('demo', 'before');
      await alike(page, 1);
      const lead = await stage.replace();
      await notice(page, 'goodbye: draining, reconnect later');
      await stage.gateway.publish('demo', 'after');
      lead();
      await live(page);
      await notice(page, 'gap: the gateway began a new log');
      assert.deepEqual(
        (await alike(page, 2)).map(({ data }) => data),
        ['before', 'after'],
      );
    });

    test('a link selects a channel or nothing, and cannot inject code into snippets', {
      timeout: 60_000,
    }, async () => {
      for (const hash of [
        "#x'*__import__('os').system('id')*'",
        '#50%',
        '#a b',
        '#tricast..x',
        `#${'x'.repeat(129)}`,
      ]) {
        const page = await dashboard(hash);
        assert.equal(await page.inputValue('#channel'), 'demo', hash);
        for (const name of ['curl', 'Python', 'fetch', 'Go']) {
          await page.click(`#languages [data-name="${name}"]`);
          assert.match(await page.textContent('#snippet'), /\/chunked\/demo\??['"]/);
        }
        assert.deepEqual(page.errors, []);
        await page.context().close();
      }
    });

    test('the end of a channel is shown and the panels do not reconnect', {
      timeout: 60_000,
    }, async () => {
      const page = await dashboard('#ending');
      await stage.gateway.publish('ending', 'last words', '?end=true');
      assert.deepEqual((await alike(page, 1))[0].tags, ['end']);
      await state(page, 'ended');
      await notice(page, 'goodbye: ended');
      // A reconnect ends again, on each wire in its own way.
      for (const wire of wires) await page.click(`.panel.${wire} .toggle`);
      await state(page, 'ended');
      await page.fill('#channel', 'another');
      await page.press('#channel', 'Enter');
      await live(page);
      await stage.gateway.publish('another', 'hello');
      await alike(page, 1);
    });
  });

for (const way of ways)
  test(`the page works under a base path: ${way}`, { timeout: 60_000 }, async (t) => {
    stage = await startStage(way, { base_path: '/realtime' });
    t.after(() => stage.close());
    const page = await dashboard();
    await publish(page, 'hello');
    await alike(page, 1);
    assert.deepEqual(page.errors, []);
  });
