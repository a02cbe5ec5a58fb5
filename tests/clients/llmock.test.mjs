// The gateway as it is judged by its upstream: PyPI's llmock fails as models' services do, and grades what its client makes of it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './gateway.mjs';
import { listen, PLAIN } from './upstreams/listeners.mjs';
import { startLlmock } from './upstreams/llmock.mjs';
import { ask, settingsFor } from './upstreams/settings.mjs';

const REPLY = 'One two three four.';

let gateway, llmock;
before(async () => {
  llmock = await startLlmock(['--stream-chunk-delay-ms', '5']);
  const timeouts = { idle: '"1s"', first_token: '"20s"' };
  gateway = await startGateway(
    settingsFor({ url: llmock.url, models: ['gpt-4o'] }, { upstream: { ...timeouts, retries: 2 } }),
  );
});
after(async () => {
  await gateway?.stop();
  await llmock?.close();
});

/** Asks while these faults wait for the next requests; resolves to the answer and to what llmock makes of its client. */
async function judged(t, fault) {
  await llmock.reset();
  await llmock.fail({ type: 'reply', text: REPLY, times: null }, fault);
  const channel = t.name.replaceAll(/[^a-z0-9]+/gi, '-');
  const listeners = await listen(t, gateway, channel, PLAIN);
  const { run } = await ask(gateway, channel, t.name);
  await listeners.all(run, ({ status }) => status !== 'open', 'the end');
  const { text, status, end } = listeners.agreed(run);
  const { errors, warnings, findings, attempts } = await llmock.verdict();
  return { text, status, end, errors, warnings, findings, attempts };
}
const stream = (kind, after_chunks, more) => ({
  type: 'stream_fault',
  kind,
  after_chunks,
  ...more,
});

describe('what fails before the first content is tried again, as it should be', () => {
  const faults = {
    'too many requests, twice': [{ type: 'fail', status: 429, retry_after: 0.4, times: 2 }, 3],
    'an error of the server, twice': [{ type: 'fail', status: 500, times: 2 }, 3],
    'not available': [{ type: 'fail', status: 503 }, 2],
    'a cut after the role': [stream('disconnect', 1), 2],
    'a clean end after the role': [stream('truncate', 1), 2],
    'a slow first token': [{ type: 'slow_first_token', seconds: 1.5 }, 1],
  };
  for (const [name, [fault, tries]] of Object.entries(faults)) {
    test(name, { timeout: 120_000 }, async (t) => {
      const { text, status, errors, warnings, findings, attempts } = await judged(t, fault);
      assert.deepEqual([errors, warnings], [0, 0], JSON.stringify(findings));
      assert.deepEqual([status, attempts], ['complete', tries]);
      assert.equal(text, REPLY);
    });
  }
});

describe('what no retry can mend is told', () => {
  const faults = {
    'a bad request': { type: 'fail', status: 400 },
    'no such model': { type: 'fail', status: 404 },
    'a key that is refused': { type: 'fail', status: 401 },
    'an upstream that stalls': stream('stall', 2, { stall_seconds: 60 }),
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(name, { timeout: 120_000 }, async (t) => {
      const { status, end, errors, warnings, findings, attempts } = await judged(t, fault);
      assert.deepEqual([errors, warnings], [0, 0], JSON.stringify(findings));
      assert.deepEqual([status, attempts], ['error', 1]);
      assert.ok(end.error.message, JSON.stringify(end));
    });
  }
});

// A relay cannot try again behind content that its readers have: what llmock finds here has to be there, and what counts is that
// every reader is told.
describe('what fails behind content is told with what is there', () => {
  const faults = {
    'a clean end in the middle': [stream('truncate', 2), 'truncated_stream_accepted'],
    'a cut in the middle': [stream('disconnect', 2), 'gave_up'],
    'nonsense in the middle': [stream('malformed', 2), 'malformed_chunk_ignored'],
  };
  for (const [name, [fault, finding]] of Object.entries(faults)) {
    test(name, { timeout: 120_000 }, async (t) => {
      const { text, status, end, findings, attempts } = await judged(t, fault);
      assert.deepEqual([status, text, attempts], ['error', 'One ', 1]);
      assert.ok(end.error.message, JSON.stringify(end));
      assert.deepEqual(
        findings.map(({ code }) => code),
        [finding],
      );
    });
  }
});
