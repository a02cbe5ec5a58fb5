// What has to work through every development server, and what the document says of them.
import assert from 'node:assert/strict';
import { run } from '../child.mjs';
import { program } from '../gateway.mjs';
import { until } from '../wait.mjs';
import { documented } from './stand.mjs';

/** All three wires, resume, and publishing, as a page on the development server's own origin does it. */
export async function passes(stand, browser) {
  const page = await browser.newPage();
  try {
    await page.goto(`${stand.url}/channels`);
    await page.evaluate(() => {
      window.got = { sse: [], ws: [], chunked: [] };
      new EventSource('/sse/demo').onmessage = (event) => got.sse.push(JSON.parse(event.data).data);
      new WebSocket(`ws://${location.host}/ws/demo`).onmessage = (event) =>
        got.ws.push(JSON.parse(event.data).data);
      void (async () => {
        const lines = (await fetch('/chunked/demo')).body
          .pipeThrough(new TextDecoderStream())
          .getReader();
        for (;;) {
          const { value, done } = await lines.read();
          if (done) return;
          for (const line of value.split('\n').filter(Boolean)) {
            got.chunked.push(JSON.parse(line).data);
          }
        }
      })();
    });
    await until(
      async () => (await stand.gateway.online('demo')).connections === 3,
      'three wires to be open',
    );
    for (const data of ['one', 'two']) {
      const status = await page.evaluate(
        (body) => fetch('/publish/demo', { method: 'POST', body }).then((answer) => answer.status),
        data,
      );
      assert.equal(status, 200, 'a page may publish through the server');
      // Each message by itself: a server that holds back would let the first one out with the second.
      await until(
        () =>
          page.evaluate((value) => Object.values(got).every((list) => list.includes(value)), data),
        () => `${data} on all wires`,
      );
    }
    const replay = await page.evaluate(async () => {
      const lines = (await fetch('/chunked/demo?since=earliest')).body
        .pipeThrough(new TextDecoderStream())
        .getReader();
      let text = '';
      while (!text.includes('"two"')) text += (await lines.read()).value;
      await lines.cancel();
      return text;
    });
    assert.match(replay, /"one"/);
  } finally {
    await page.close();
  }
}

/** `tricast doctor` finds nothing to mend. */
export async function examined(stand) {
  const { code, output } = await run(program, ['doctor', stand.url]);
  assert.equal(code, 0, output);
}

/** Streams end at the gateway when their clients have left. */
export async function leaves(stand) {
  const leave = new AbortController();
  const streams = [];
  for (const wire of ['sse', 'chunked', 'sse']) {
    streams.push(await fetch(`${stand.url}/${wire}/leaving`, { signal: leave.signal }));
  }
  await until(
    async () => (await stand.gateway.online('leaving')).connections === 3,
    'three streams to be open',
  );
  leave.abort();
  // Far below the first heartbeat, at which a server could notice by a failed write.
  await until(
    async () => (await stand.gateway.online('leaving')).connections === 0,
    'the streams to be closed',
    { timeout: 8000 },
  );
}

/** While the gateway is away an `EventSource` gives up, and the document's code opens another, which loses nothing. */
export async function reopens(stand, browser) {
  const page = await browser.newPage();
  try {
    await page.goto(`${stand.url}/channels`);
    // Playwright would take a text that begins with `function` for one to call.
    await page.evaluate(`;${documented('reopen.js')}
      window.got = [];
      window.plain = new EventSource('/sse/away');
      subscribe('/sse/away?last_event_id=older-1', (event) => got.push(JSON.parse(event.data).data));`);
    await until(
      async () => (await stand.gateway.online('away')).connections === 2,
      'two streams to be open',
    );
    // From here on it has an id of its own, which has to take the place of the one in its URL.
    await stand.gateway.publish('away', 'before');
    await until(
      () => page.evaluate(() => got.includes('before')),
      'the message before the restart',
    );
    await stand.leave();
    await until(
      () => page.evaluate(() => plain.readyState === EventSource.CLOSED),
      'the EventSource to give up',
      { timeout: 30_000 },
    );
    await stand.back();
    await until(
      async () => (await stand.gateway.online('away')).connections === 1,
      "the document's code to come back",
      { timeout: 30_000 },
    );
    await stand.gateway.publish('away', 'after');
    await until(() => page.evaluate(() => got.includes('after')), 'the message after the restart');
    assert.equal(await page.evaluate(() => plain.readyState), 2);
  } finally {
    await page.close();
  }
}

/** The status that a plain request gets while the gateway is away. */
export async function answersWhileAway(stand) {
  await stand.leave();
  try {
    return (await fetch(`${stand.url}/channels`)).status;
  } finally {
    await stand.back();
  }
}
