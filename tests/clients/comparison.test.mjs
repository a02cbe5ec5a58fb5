// The comparison directly, behind nginx and over TLS, and the HTML and JSON that it saves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { artifacts, collectErrors, startBrowser } from './browser.mjs';
import { live, open, wires } from './dashboard.mjs';
import { startStage, ways } from './stage.mjs';

let browser, stage;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
afterEach(() => stage?.close());

/** Runs a comparison; returns its sentences and the files that it saves. */
async function compare(page, seconds, rate = 20) {
  await page.fill('#rate', String(rate));
  await page.fill('#seconds', String(seconds));
  await page.click('#compare-start');
  await page.waitForSelector('#finding .advice li', { timeout: 1000 * seconds + 20_000 });
  const saved = async (button) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
    return readFileSync(await download.path(), 'utf8');
  };
  const sentences = await page.$$eval('#finding .advice li', (lines) =>
    lines.map((line) => line.textContent),
  );
  return {
    sentences,
    html: await saved('#savehtml'),
    report: JSON.parse(await saved('#savejson')),
  };
}

/** Runs in a page; returns the cells whose text is wider than they are, and a page that scrolls. */
function overflowing() {
  const cells = [...document.querySelectorAll('.group ~ tr *, .group *, thead th')]
    .filter((cell) => cell.scrollWidth > cell.clientWidth && cell.clientWidth > 0)
    .map((cell) => cell.textContent);
  const { scrollWidth } = document.documentElement;
  return scrollWidth > innerWidth ? [...cells, `the page is ${scrollWidth} px wide`] : cells;
}

/** Asserts that there is no address, and nothing that a browser would fetch or run. */
function standsAlone(html, page) {
  assert.doesNotMatch(
    html,
    /https?:|\/\/\w|<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import/i,
  );
  assert.ok(!html.includes(new URL(page.url()).host));
}

/** Asserts that the report has the latencies of each wire by itself, and what the tab adds. */
function assertMeasuredAlone({ rounds, wires: reports, request, tab, verdict }) {
  assert.ok(rounds.length >= 1 && verdict.rounds <= rounds.length, JSON.stringify(verdict));
  for (const { wire, alone } of reports) {
    const latencies = rounds.flatMap((round) => round[wire] ?? []);
    assert.ok(latencies.length >= 3, `${wire}: ${latencies.length}`);
    assert.equal(alone.count, latencies.length);
    assert.ok(alone.p50 <= alone.p90 && alone.p90 <= alone.p99 && alone.p99 <= alone.max);
  }
  for (const times of [request, tab.alone, tab.together]) {
    assert.ok(times.count > 1 && times.p50 >= 0 && times.p50 <= times.p90, JSON.stringify(times));
  }
}

for (const [n, seconds] of [20, 20].entries())
  test(`equal wires on one machine are not told apart: run ${n + 1}`, {
    timeout: 90_000,
  }, async (t) => {
    stage = await startStage('direct');
    const page = await open(browser, stage.page, { acceptDownloads: true });
    const { sentences, report } = await compare(page, seconds);
    t.diagnostic(`${report.verdict.rounds} rounds: ${sentences[0]}`);
    assert.deepEqual(report.verdict.slower, [], sentences[0]);
    assert.match(sentences[0], /^(No wire is faster than the others|Too few rounds)/);
    assert.ok(sentences.every((line) => !line.includes('fastest')));
    assert.ok(
      sentences.some((line) => line.startsWith('The browser and the gateway run on one machine')),
    );
    await page.context().close();
  });

test('a wire that is delayed by 50 ms is named', { timeout: 300_000 }, async (t) => {
  stage = await startStage('direct');
  stage.relay.delay('ws', 50);
  const page = await open(browser, stage.page, { acceptDownloads: true });
  const slower = [
    { wire: 'ws', than: 'sse' },
    { wire: 'ws', than: 'chunked' },
  ];
  for (let run = 1; run <= 5; run += 1) {
    const { sentences, report } = await compare(page, 30);
    const { verdict, tab } = report;
    t.diagnostic(`${verdict.rounds} rounds: ${sentences[0]}`);
    // A busy machine lets the tab itself wait for longer than the delay: such a run may name no
    // wire, but never another one.
    if (run < 5 && verdict.slower.length === 0 && (tab.alone.p90 > 20 || verdict.rounds < 20)) {
      continue;
    }
    assert.deepEqual(verdict.slower, slower, JSON.stringify({ verdict, tab }));
    assert.match(sentences[0], /^WebSocket is slower than SSE .* and Chunked /);
    break;
  }
  await page.context().close();
});

test('a comparison that is stopped in its first part reports what it knows', {
  timeout: 60_000,
}, async () => {
  stage = await startStage('direct');
  const page = await open(browser, stage.page);
  await page.fill('#seconds', '600');
  await page.click('#compare-start');
  await page.waitForSelector('#compare-start:has-text("Stop")');
  await page.click('#compare-start');
  await page.waitForSelector('#finding .advice li');
  assert.match(
    await page.textContent('#finding .advice li'),
    /^The comparison ended early: it was stopped/,
  );
  await live(page);
  await page.context().close();
});

for (const way of [...ways, 'nginx over TLS']) {
  test(`each wire delivers everything and a cut loses nothing: ${way}`, {
    timeout: 90_000,
  }, async () => {
    stage = await startStage(way);
    const page = await open(browser, stage.page, {
      ignoreHTTPSErrors: true,
      acceptDownloads: true,
    });
    const { sentences, html, report } = await compare(page, 10);
    // A busy machine publishes later, and never faster.
    assert.ok(
      report.published >= 10 && report.published <= 90,
      `${report.published} in the four seconds in which all are open`,
    );
    assertMeasuredAlone(report);
    for (const [at, one] of report.wires.entries()) {
      const {
        wire,
        state,
        messages,
        reconnects,
        gaps,
        lost,
        disordered,
        repeated,
        latency,
        bytes,
      } = one;
      assert.equal(wire, wires[at]);
      assert.deepEqual(
        { state, messages, reconnects, gaps, lost, disordered, repeated },
        {
          state: 'live',
          messages: report.published,
          reconnects: 1,
          gaps: 0,
          lost: 0,
          disordered: 0,
          repeated: 0,
        },
        `${wire}: ${JSON.stringify(one)}`,
      );
      assert.equal(latency.count + one.replayed, messages, 'each is timed or was replayed');
      assert.ok(
        latency.p50 <= latency.p90 && latency.p90 <= latency.p99 && latency.p99 <= latency.max,
      );
      assert.ok(Math.abs(one.histogram.reduce((sum, [, share]) => sum + share, 0) - 1) < 1e-6);
      assert.ok(
        one.timeline.length >= 4 && one.timeline.every(([second]) => second > -1 && second < 8),
        JSON.stringify(one.timeline),
      );
      assert.ok(
        bytes.head > 600 && bytes.framing > 2 * messages && bytes.payload > 100 * messages,
        JSON.stringify(bytes),
      );
      assert.ok(
        sentences.some((line) =>
          line.includes(`all ${report.published} messages, in order; cut once`),
        ),
        sentences.join('\n'),
      );
    }
    const { environment } = report;
    assert.deepEqual(
      [
        environment.proxy,
        environment.server?.split('/')[0] ?? null,
        environment.browserHttp,
        environment.gatewayHttp,
        environment.encrypted,
      ],
      {
        direct: [false, null, 'HTTP/1.1', 'HTTP/1.1', false],
        nginx: [true, 'nginx', 'HTTP/1.1', 'HTTP/1.1', false],
        'nginx over TLS': [true, 'nginx', 'HTTP/2', 'HTTP/1.1', true],
      }[way],
    );
    assert.deepEqual(
      environment.proxyFields,
      way === 'direct' ? [] : ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'],
    );
    standsAlone(html, page);
    standsAlone(JSON.stringify(report), page);

    // The saved page opens offline without an error.
    const reader = await (
      await browser.newContext({ viewport: { width: 900, height: 1000 }, offline: true })
    ).newPage();
    const errors = collectErrors(reader);
    await reader.setContent(html);
    assert.equal(await reader.locator('svg polyline').count(), 6);
    assert.equal(await reader.locator('tbody tr.group').count(), 4);
    assert.equal(await reader.locator('tbody tr:not(.group)').count(), 23);
    assert.ok((await reader.evaluate(() => [...document.querySelectorAll('li')].length)) >= 9);
    await reader.screenshot({
      path: `${artifacts}comparison-${way.replaceAll(' ', '-')}.png`,
      fullPage: true,
    });
    for (const shown of [page, reader]) {
      await shown.setViewportSize({ width: 390, height: 844 });
      assert.deepEqual(await shown.evaluate(overflowing), []);
    }
    assert.deepEqual([...page.errors, ...errors], []);
    await reader.context().close();
    await page.context().close();
  });
}

test('messages of other publishers are counted separately and hide no loss', {
  timeout: 60_000,
}, async () => {
  stage = await startStage('direct');
  const page = await open(browser, stage.page, { acceptDownloads: true });
  let over = false;
  // On the same channel and on another one, so that ids are not consecutive.
  const others = (async () => {
    for (let n = 0; !over; n += 1) await stage.gateway.publish(n % 2 ? 'demo' : 'elsewhere', n);
    return true;
  })();
  // The rate is so high that a request carries several messages.
  const { report, sentences } = await compare(page, 5, 200);
  over = true;
  assert.ok(await others);
  for (const { wire, own, messages, latency, replayed, gaps } of report.wires) {
    assert.equal(own, report.published, `${wire}: ${sentences.join('\n')}`);
    assert.ok(messages > own + 10, `${wire}: ${messages}`);
    assert.equal(gaps, 0);
    assert.ok(
      latency.count <= own && latency.count >= own - replayed,
      `${wire}: ${latency.count} timed`,
    );
  }
  await page.context().close();
});

test('a refused publish is reported and no wire is blamed for it', {
  timeout: 60_000,
}, async () => {
  stage = await startStage('direct', { 'access.publish': 'nobody' });
  const page = await open(browser, stage.page, { acceptDownloads: true });
  const { sentences, report } = await compare(page, 3);
  assert.equal(sentences.length, 2, sentences.join('\n'));
  assert.match(sentences[0], /^The comparison ended early: /);
  assert.equal(report.published, 0);
  assert.ok(report.failure && report.seconds < 3);
  assert.notEqual(
    await page.textContent('#load-error'),
    '',
    'the reason stands where it was asked for',
  );
  await page.context().close();
});

const remedies = {
  direct: 'something in between does not pass the upgrade on',
  nginx: 'nginx: set proxy_http_version 1.1',
};
for (const way of ways)
  test(`a blocked wire is named, with the reason and the remedy: ${way}`, {
    timeout: 90_000,
  }, async () => {
    stage = await startStage(way);
    const page = await open(browser, stage.page, { acceptDownloads: true });
    // The relay refuses WebSockets while the page stays open.
    stage.relay.refuse('ws');
    await page.click('#dropall');
    const { sentences, report, html } = await compare(page, 3);
    assert.ok(
      sentences.some((line) => line.startsWith('WebSocket did not get through')),
      sentences.join('\n'),
    );
    assert.ok(
      !sentences.some((line) => line.startsWith('Use WebSocket')),
      'what does not work is not advised',
    );
    assert.ok(
      sentences.some((line) => line.startsWith(remedies[way])),
      sentences.join('\n'),
    );
    assert.equal(report.wires[2].messages, 0);
    assert.notEqual(report.wires[2].state, 'live');
    standsAlone(html, page);
    await page.context().close();
  });
