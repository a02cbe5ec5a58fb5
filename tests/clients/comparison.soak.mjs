// Comparisons on one machine, COMPARISONS (10) of them as a user starts them: none names a wire.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { open } from './dashboard.mjs';
import { startStage } from './stage.mjs';

const count = Number(process.env.COMPARISONS ?? 10);
const browser = await startBrowser();
after(() => browser.close());

for (let n = 1; n <= count; n += 1)
  test(`equal wires are not told apart: run ${n} of ${count}`, { timeout: 120_000 }, async (t) => {
    const stage = await startStage('direct');
    t.after(() => stage.close());
    const page = await open(browser, stage.page, { acceptDownloads: true });
    await page.click('#compare-start');
    await page.waitForSelector('#finding .advice li', { timeout: 90_000 });
    const [saved] = await Promise.all([page.waitForEvent('download'), page.click('#savejson')]);
    const report = JSON.parse(readFileSync(await saved.path(), 'utf8'));
    const ms = (value) => value.toFixed(1);
    const times = (of) =>
      report.wires
        .map((one) => [one.wire, [of(one).p50, of(one).p90, of(one).p99].map(ms).join('/')])
        .map((parts) => parts.join(' '))
        .join(', ');
    t.diagnostic(`${report.verdict.outcome}: ${await page.textContent('#finding .advice li')}`);
    t.diagnostic(`alone, median/90 %/99 % in ms: ${times(({ alone }) => alone)}`);
    t.diagnostic(`together: ${times(({ latency }) => latency)}`);
    t.diagnostic(
      `an event waits ${ms(report.tab.alone.p50)}/${ms(report.tab.alone.p90)} ms alone, ${ms(report.tab.together.p50)}/${ms(report.tab.together.p90)} ms together`,
    );
    assert.deepEqual(report.verdict.slower, []);
    await page.context().close();
  });
