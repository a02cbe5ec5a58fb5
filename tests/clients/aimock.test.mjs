// An upstream that is cut at each chunk in turn: no cut is ever an end, on any wire.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startGateway } from './gateway.mjs';
import { startAimock } from './upstreams/aimock.mjs';
import { listen, PLAIN } from './upstreams/listeners.mjs';
import { ask, settingsFor } from './upstreams/settings.mjs';

const CONTENT = 'Grüße aus 東京! 👋 That is all.';
const CHUNK = 4;
/** The role, the text and the finish. aimock cuts in place of a chunk, and not behind these. */
const CHUNKS = 1 + Math.ceil(CONTENT.length / CHUNK) + 1;

const options = { chunkSize: CHUNK, latency: 2 };
const cut = (chunks) => [
  `cut ${chunks}.`,
  { content: CONTENT },
  { ...options, truncateAfterChunks: chunks },
];
const all = Array.from({ length: CHUNKS }, (_, n) => n + 1);

let gateway, aimock;
before(async () => {
  const answers = [['whole', { content: CONTENT }, options], ...all.map(cut)];
  aimock = await startAimock(answers);
  // Each cut is one call: without a second try, and without a pause after too many failures.
  const upstream = { retries: 0, open_after: 0 };
  gateway = await startGateway(settingsFor({ url: aimock.url, models: ['gpt-4o'] }, { upstream }));
});
after(async () => {
  await gateway?.stop();
  await aimock?.close();
});

async function answerTo(t, question) {
  const channel = question.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '');
  const listeners = await listen(t, gateway, channel, PLAIN);
  const { run } = await ask(gateway, channel, question);
  await listeners.all(run, ({ status }) => status !== 'open', 'the end');
  return listeners.agreed(run);
}

test('the whole answer, with its usage', { timeout: 60_000 }, async (t) => {
  const { text, status, end } = await answerTo(t, 'whole');
  assert.deepEqual([text, status], [CONTENT, 'complete']);
  assert.equal(end.usage.estimated, undefined);
  assert.ok(end.usage.completion_tokens > 0);
});

for (const chunks of all) {
  test(`cut at chunk ${chunks} of ${CHUNKS}`, { timeout: 60_000 }, async (t) => {
    const question = `cut ${chunks}.`;
    const { text, status, end } = await answerTo(t, question);
    assert.deepEqual([status, end.error.retryable], ['error', true], JSON.stringify(end));
    assert.ok(CONTENT.startsWith(text));
    // What was sent before the cut may have been lost on the way, and nothing else may be there.
    assert.ok(text.length <= chunks * CHUNK, text);
    const journal = aimock.journal().filter(({ body }) => body.messages[0].content === question);
    assert.deepEqual(
      journal.map(({ response }) => response.interruptReason),
      ['truncateAfterChunks'],
    );
  });
}
