// Every wire through eight proxies, with the configurations of ops/proxy and with the shortest ones that people write.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { proxies, versionsOf } from './proxies/all.mjs';
import { abort } from './proxies/checks/abort.mjs';
import { browse } from './proxies/checks/browser.mjs';
import { forged } from './proxies/checks/forged.mjs';
import { forwarded } from './proxies/checks/forwarded.mjs';
import { gzip } from './proxies/checks/gzip.mjs';
import { hello } from './proxies/checks/hello.mjs';
import { lines } from './proxies/checks/lines.mjs';
import { page } from './proxies/checks/page.mjs';
import { prompt } from './proxies/checks/prompt.mjs';
import { restart } from './proxies/checks/restart.mjs';
import { resume } from './proxies/checks/resume.mjs';
import { known } from './proxies/known.mjs';
import { Matrix } from './proxies/matrix.mjs';
import { kinds } from './proxies/pages.mjs';
import { startStand } from './proxies/stand.mjs';
import { writeTables } from './proxies/table.mjs';
import { oversOf, waysOf } from './proxies/ways.mjs';

// Heartbeats far enough apart to tell what a proxy says from what a heartbeat finds out.
const settings = { 'stream.heartbeat': '3s', 'stream.retry': '300ms', 'shutdown.grace': '1s' };
const columns = {
  streams: ['hello', 'prompt', 'resume', 'abort', 'gzip', 'restart'],
  requests: ['lines', 'page', 'forwarded', 'forged'],
  pages: Object.keys(kinds),
};
const matrix = new Matrix();

describe('proxies', { concurrency: 2 }, () => {
  test('Chromium, over TLS', { timeout: 120_000 }, async () => {
    const browser = await startBrowser();
    try {
      for (const proxy of proxies.filter(({ plain }) => !plain)) {
        const stand = await startStand(proxy, 'ours', settings);
        try {
          for (const [kind, verdict] of await browse(stand, browser))
            await matrix.take(stand, kind, 'Chromium', verdict);
        } finally {
          await stand.close();
        }
        assert.deepEqual(matrix.surprises(stand, columns.pages), []);
      }
    } finally {
      await browser.close();
    }
  });

  for (const proxy of proxies) {
    for (const which of ['ours', 'bare']) {
      test(`${proxy.name}, ${which === 'ours' ? 'as in ops/proxy' : 'bare'}`, {
        timeout: 120_000,
      }, async () => {
        const stand = await startStand(proxy, which, settings);
        try {
          await Promise.all([
            matrix
              .run(stand, { hello }, waysOf(stand))
              .then(() => matrix.run(stand, { prompt, resume, abort, gzip }, matrix.live(stand))),
            matrix.run(stand, { lines, page, forwarded }, oversOf(stand)),
            matrix.run(stand, { forged }, ['HTTP/1.1']),
          ]);
          for (const [way, verdict] of await restart(stand, matrix.live(stand)))
            await matrix.take(stand, 'restart', way, verdict);
        } finally {
          await stand.close();
        }
        assert.deepEqual(matrix.surprises(stand), []);
      });
    }
  }

  after(async () =>
    writeTables('proxies', {
      results: matrix.results,
      columns,
      versions: await versionsOf(),
      about,
    }),
  );
});

test('what known.mjs says has been seen', { timeout: 60_000 }, () => {
  const seen = new Set(
    matrix.results
      .filter((one) => one.known?.verdicts.includes(one.verdict))
      .map((one) => one.known),
  );
  const asked = [...columns.streams, ...columns.requests];
  assert.deepEqual(
    known
      .filter((one) => asked.includes(one.check) && !seen.has(one))
      .map(({ proxy, which, check }) => `${proxy}, ${which}: ${check}`),
    [],
  );
});

const about = `# Tricast behind proxies

| check | asks |
|---|---|
| hello | does the hello come before anything is published? |
| prompt | does each message come before the next is published, and how much later than straight from the gateway (median)? |
| resume | after a cut, does the last id bring what was missed, once and in order? |
| abort | does the gateway hear within a second that a client has left? else by its heartbeats, here 3 s apart |
| gzip | where the proxy compresses everything, does the stream still come message by message? |
| restart | do plain clients come back by themselves after a restart of the gateway, and are they told of the gap? |
| lines | is what is published as JSON lines heard line by line? |
| page | may a page of the browser's host speak? |
| forwarded | does the gateway get to know the browser's host, address and scheme? |
| forged | is it the proxy that says the client's address, and not the client? |
| EventSource, fetch, WebSocket | do they hear each message in Chromium over TLS, and come back by themselves after a restart? |`;
