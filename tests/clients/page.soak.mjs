// The page at 500 messages a second on each wire, for PAGE_SECONDS (600): does it stay smooth, and its memory flat?
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { open, wires } from './dashboard.mjs';
import { startStage } from './stage.mjs';
import { until } from './wait.mjs';

const seconds = Number(process.env.PAGE_SECONDS ?? 600);
const RATE = 500;
const SAMPLES = 20;

let browser, stage;
before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await stage?.close();
});

test(`${RATE} messages a second on each wire, for ${seconds} s`, {
  timeout: 1000 * seconds + 120_000,
}, async (t) => {
  stage = await startStage('direct');
  const page = await open(browser, stage.page);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  await page.evaluate(() => {
    // A user can notice a task of more than 50 ms (W3C Long Tasks).
    globalThis.tasks = [];
    new PerformanceObserver((list) =>
      globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration)),
    ).observe({ type: 'longtask' });
  });
  // The tasks of devtools do not count.
  await page.evaluate(() => {
    setTimeout(() => {
      for (const end = performance.now() + 80; performance.now() < end; );
    });
  });
  await until(
    () => page.evaluate(() => globalThis.tasks.splice(0).length > 0),
    'a task that is long to be seen',
  );
  await page.fill('#rate', String(RATE));
  await page.click('#run');

  const heaps = [];
  const began = Date.now();
  for (let n = 1; n <= SAMPLES; n += 1) {
    await until(() => Date.now() - began >= (1000 * seconds * n) / SAMPLES, 'time to pass', {
      timeout: 1000 * seconds,
      every: 250,
    });
    const tasks = await page.evaluate(() => globalThis.tasks.splice(0));
    await devtools.send('HeapProfiler.collectGarbage');
    // Garbage collection is a long task too, but not of the page.
    await page.evaluate(() => globalThis.tasks.splice(0));
    const { metrics } = await devtools.send('Performance.getMetrics');
    const of = (name) => metrics.find((metric) => metric.name === name).value;
    heaps.push(of('JSHeapUsedSize'));
    const counts = await Promise.all(
      wires.map((wire) => page.textContent(`.panel.${wire} [data-field=count]`)),
    );
    t.diagnostic(
      `${Math.round((Date.now() - began) / 1000)} s: ${counts.join(' / ')} messages, ${tasks.length} long tasks of ${Math.round(Math.max(0, ...tasks))} ms at most, ` +
        `${(of('JSHeapUsedSize') / 1e6).toFixed(1)} MB, ${of('Nodes')} nodes`,
    );
  }
  await page.click('#run');
  const [first, second, third] = await until(async () => {
    const counts = await Promise.all(
      wires.map((wire) => page.textContent(`.panel.${wire} [data-field=count]`)),
    );
    const history = await stage.gateway.history('demo');
    const newest = history.at(-1)?.id;
    const last = await Promise.all(
      wires.map((wire) => page.textContent(`.panel.${wire} [data-field=last]`)),
    );
    return last.every((id) => id === newest) && counts;
  }, 'all to have come');
  assert.deepEqual([first, second, third], [first, first, first], 'each wire brought as many');
  for (const wire of wires)
    assert.equal(
      await page.textContent(`.panel.${wire} [data-field=order]`),
      'in order, no duplicates',
    );
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  // During the first samples the lists and caches of the page fill up.
  const [early, late] = [median(heaps.slice(3, 9)), median(heaps.slice(-6))];
  t.diagnostic(`${(early / 1e6).toFixed(1)} MB early, ${(late / 1e6).toFixed(1)} MB late`);
  assert.ok(late < 1.15 * early + 1e6, 'its memory grows');
  assert.deepEqual(page.errors, []);
});
