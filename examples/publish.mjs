// Publishes from a Node backend without dependencies. A retry has the same id, so it cannot publish twice.
//
//   node examples/publish.mjs CHANNEL JSON [EVENT]
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const gateway = process.env.TRICAST_URL ?? 'http://127.0.0.1:8080';

async function publish(channel, data, event = 'message', attempts = 3) {
  const query = new URLSearchParams({ event, id: randomUUID() });
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(`${gateway}/publish/${encodeURIComponent(channel)}?${query}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(data),
        signal: AbortSignal.timeout(5000),
      });
      const answer = await response.json();
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

const [channel, data, event] = process.argv.slice(2);
if (data === undefined) {
  console.error('usage: node publish.mjs CHANNEL JSON [EVENT]');
  process.exit(2);
}
console.log(JSON.stringify(await publish(channel, JSON.parse(data), event)));
