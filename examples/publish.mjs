// Publishes from a Node backend without dependencies. A retry has the same id, so it cannot publish twice.
//
//   node examples/publish.mjs CHANNEL JSON [EVENT]
//
// API_KEY in the environment has the API key or token, if the gateway requires one (`tricast key`).
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const gateway = process.env.TRICAST_URL ?? 'http://127.0.0.1:8080';
const key = process.env.API_KEY;
const authorization = key ? { Authorization: `Bearer ${key}` } : {};

/** Publishes JSON as it is written: parsing it and writing it again could change numbers. */
async function publish(channel, text, event = 'message', attempts = 3) {
  const query = new URLSearchParams({ event, id: randomUUID() });
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(`${gateway}/publish/${encodeURIComponent(channel)}?${query}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...authorization },
        body: text,
        signal: AbortSignal.timeout(5000),
      });
      // A proxy in front of the gateway may refuse without a problem document.
      const answer = await response.json().catch(() => ({ detail: response.statusText }));
      if (response.ok) return answer;
      // A retry after a 4xx would be refused again.
      throw Object.assign(new Error(`${response.status}: ${answer.detail}`), {
        final: response.status < 500,
      });
    } catch (error) {
      if (error.final || attempt === attempts) throw error;
    }
    await pause(200 * attempt);
  }
}

function fail(reason, code = 1) {
  console.error(reason);
  process.exit(code);
}

const [channel, text, event] = process.argv.slice(2);
if (text === undefined) fail('usage: node publish.mjs CHANNEL JSON [EVENT]', 2);
try {
  JSON.parse(text);
} catch (error) {
  fail(`not JSON (${error.message}); a text needs quotes of its own, as in '"hello"'`);
}
try {
  console.log(JSON.stringify(await publish(channel, text, event)));
} catch (error) {
  fail(error.cause ? `no answer from ${gateway}: ${error.cause.message}` : error.message);
}
