// The figures, the load generator and the faults of the page, directly and behind nginx.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { field, live, notice, open, publish, shows, state, wires } from './dashboard.mjs';
import { startStage, ways } from './stage.mjs';
import { until } from './wait.mjs';

let browser, stage, page;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
const all = (name, wanted) => Promise.all(wires.map((wire) => shows(page, wire, name, wanted)));
const figure = async (wire, name) =>
  Number((await field(page, wire, name)).replace(/[^\d.].*$/s, ''));

/** The stage and the page of each test of a suite. */
function onStage(way, settings) {
  beforeEach(async () => {
    stage = await startStage(way, settings);
    page = await open(browser, stage.page);
  });
  afterEach(async () => {
    const errors = page?.errors;
    await page?.context().close();
    await stage?.close();
    assert.deepEqual(errors, []);
  });
}

for (const way of ways) {
  // However long the rate takes to settle, the history has all that was published.
  describe(way, () => {
    onStage(way, { 'history.messages': '20000' });

    test('the load generator publishes at the selected rate and size until it is paused', {
      timeout: 60_000,
    }, async () => {
      await page.fill('#rate', '40');
      await page.fill('#size', '77');
      await page.selectOption('#shape', 'json');
      await page.click('#run');
      assert.equal(await page.textContent('#run'), 'Pause');
      // The rate needs two seconds to settle.
      await all('rate', /^(3[4-9]|4[0-6])(\.\d)?$/);
      await page.click('#run');
      const held = await until(async () => {
        const { length } = await stage.gateway.history('demo');
        return (
          length === (await figure('ws', 'count')) &&
          (await Promise.all(wires.map((wire) => figure(wire, 'count')))).every(
            (count) => count === length,
          ) &&
          length
        );
      }, 'all that was published to have come, and no more');
      const history = await stage.gateway.history('demo');
      assert.ok(
        history.every(({ data }) => Buffer.byteLength(JSON.stringify(data)) === 77),
        'of the size that was set',
      );
      // Requests may overtake each other; the history has one order, and all wires deliver it.
      assert.deepEqual(
        history.map(({ data }) => Number(data.tag.split('.')[1])).sort((a, b) => a - b),
        history.map((_, n) => n + 1),
        'each once',
      );
      assert.ok(held > 40, `${held}`);
      for (const wire of wires) {
        const [median, p99, first] = await Promise.all(
          ['median', 'p99', 'first'].map((name) => figure(wire, name)),
        );
        // The median is shown in whole milliseconds.
        const shown = await field(page, wire, 'median');
        assert.match(shown, /^(< 1|\d+) ms$/);
        assert.ok(shown === '< 1 ms' || median <= p99 + 0.5, `${wire}: ${shown}, ${p99} ms`);
        assert.ok(first > 0 && first < 5000, `${wire}: first byte after ${first} ms`);
        assert.equal(await field(page, wire, 'order'), 'in order, no duplicates');
      }
      await all('jitter', / ms$/);
      assert.ok(
        await page.evaluate(() =>
          [...document.querySelectorAll('.plot canvas')].every((canvas) => {
            const { data } = canvas
              .getContext('2d')
              .getImageData(0, 0, canvas.width, canvas.height);
            return data.some((value) => value !== 0);
          }),
        ),
        'both charts are drawn',
      );
    });
  });

  describe(`${way}, with a history that can be outrun`, () => {
    onStage(way, { 'history.messages': '600' });

    test('a burst arrives completely and every byte that the gateway sends is counted', {
      timeout: 60_000,
    }, async () => {
      await page.fill('#many', '200');
      await page.click('#burst');
      await all('count', '200');
      await publish(page, 'ünd');
      await all('count', '201');
      for (const wire of wires) {
        // The exact counts are in the bar's title: head, framing, documents.
        const counted = async () => {
          const title = await page.getAttribute(`.panel.${wire} .weights`, 'title');
          return title
            .match(/\d[\d,]*/g)
            .map((part) => Number(part.replaceAll(',', '')))
            .reduce((sum, part) => sum + part);
        };
        // An EventSource hides the retry line of the hello from the page.
        const hidden = wire === 'sse' ? 'retry: 1234\n'.length : 0;
        const missed = async () => stage.relay.carried(wire) - (await counted());
        await until(
          async () => (await missed()) >= 0 && (await missed()) <= hidden,
          async () => `${wire}: ${stage.relay.carried(wire)} bytes; ${await counted()} are counted`,
        );
      }
    });

    test('messages published while the page is offline are replayed and counted as replayed', {
      timeout: 60_000,
    }, async () => {
      await publish(page, 'before');
      await all('count', '1');
      await page.click('#offline');
      await state(page, 'offline');
      for (let n = 0; n < 7; n += 1) await stage.gateway.publish('demo', n);
      await page.click('#offline');
      await live(page);
      await all('count', '8');
      await all('replayed', '7');
      await all('reconnects', /^1 \(/);
      await all('gaps', '0');
    });

    test('a wire that the page drops reconnects by itself', { timeout: 60_000 }, async () => {
      await publish(page, 'before');
      await all('count', '1');
      for (const wire of wires) await page.click(`.panel.${wire} .drop`);
      await all('reconnects', /^1 \(/);
      await page.click('#dropall');
      await all('reconnects', /^2 \(/);
      await live(page);
      await publish(page, 'after');
      await all('count', '2');
      await all('order', 'in order, no duplicates');
    });

    test('a gap is reported if the history is too short', { timeout: 60_000 }, async () => {
      await publish(page, 'before');
      await all('count', '1');
      await page.click('#overrun');
      await all('reconnects', /^1 \(/);
      await live(page);
      await all('gaps', /^1 \(\d+\)$/);
      await notice(page, 'lost');
      // The outcome stands beside the button, not only in the lists.
      await page.waitForSelector('#overrun-outcome:has-text("Reported as lost: SSE ")');
      assert.match(
        await page.textContent('#overrun-outcome'),
        /SSE [1-9][\d,]*, Chunked [1-9][\d,]*, WebSocket [1-9][\d,]*\.$/,
      );
      const messages = await stage.gateway.history('demo');
      // The message 'before', then everything that is still in the history.
      await all('count', String(1 + messages.length));
    });

    test('a stalled reader receives everything once it reads again', {
      timeout: 60_000,
    }, async () => {
      assert.ok(
        (await page.isDisabled('.panel.sse .stall')) && (await page.isDisabled('.panel.ws .stall')),
      );
      await page.click('.panel.chunked .stall');
      await page.waitForSelector('.panel.chunked .notice:has-text("reading stopped")');
      // A read that is already pending still completes.
      await stage.gateway.publish('demo', 0);
      await shows(page, 'ws', 'count', '1');
      for (let n = 1; n < 20; n += 1) await stage.gateway.publish('demo', n);
      await shows(page, 'ws', 'count', '20');
      assert.ok((await figure('chunked', 'count')) <= 1);
      await page.click('.panel.chunked .stall');
      await all('count', '20');
      await all('order', 'in order, no duplicates');
    });

    test('after a reload each wire resumes after its last message', {
      timeout: 60_000,
    }, async () => {
      await publish(page, 'before');
      await all('count', '1');
      await Promise.all([page.waitForEvent('load'), page.click('#reload')]);
      await live(page);
      await notice(page, 'resumed after');
      await stage.gateway.publish('demo', 'after');
      await all('count', '1');
      await page.fill('#channel', 'another');
      await page.press('#channel', 'Enter');
      await live(page);
      assert.equal(
        await page.locator('.notice').count(),
        0,
        'another channel starts with an empty list',
      );
    });
  });
}

test('a log on disk is not outrun, and the page says so', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrun-'));
  stage = await startStage('direct', {
    'history.messages': '600',
    'log.path': join(folder, 'log'),
  });
  t.after(async () => {
    await stage.close();
    rmSync(folder, { recursive: true, force: true });
  });
  page = await open(browser, stage.page);
  await publish(page, 'before');
  await all('count', '1');
  await page.click('#overrun');
  await page.waitForSelector('#overrun-outcome:has-text("nothing was lost")');
  assert.match(await page.textContent('#overrun-outcome'), /on disk: .* 2,000 messages/);
  await all('count', '2,001');
  await all('gaps', '0');
  await all('order', 'in order, no duplicates');
  await page.context().close();
});

for (const [way, opened, http] of [
  ['direct', 4, 'HTTP/1.1'],
  ['nginx', 4, 'HTTP/1.1'],
  ['nginx over TLS', 8, 'HTTP/2'],
]) {
  test(`${opened} of eight streams are open: ${way}`, { timeout: 60_000 }, async (t) => {
    stage = await startStage(way);
    t.after(() => stage.close());
    page = await open(browser, stage.page, { ignoreHTTPSErrors: true });
    await page.click('#connection-limit');
    await page.waitForSelector(`#streams[data-opened="${opened}"]`);
    const text = await page.textContent('#streams');
    assert.ok(text.includes(http), text);
    assert.equal(await page.locator('#streams .light.on').count(), opened);
    // The streams are closed and the page works as before.
    await until(
      async () => (await stage.gateway.online('demo')).connections === 3,
      'the eight to be gone',
    );
    await publish(page, 'still here');
    await all('count', '1');
    await page.context().close();
  });
}
