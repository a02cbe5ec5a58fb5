// Publishes, and writes down when: what comes back can then be timed on the page's own clock.

import { address, ask } from '../context/context.js';
import type { LatencyTracker } from '../measure/latency-tracker.js';
import type { TestMessage } from '../measure/load-generator.js';
import { t } from '../text/index.js';

/** What the gateway answers to one message, or with a problem. */
interface Answer {
  id?: string;
  subscribers?: number;
  detail?: string;
}

export interface Published {
  id: string;
  subscribers: number;
}

export class Publisher {
  constructor(readonly latencies: LatencyTracker) {}

  /** Publishes `body`; fails with what the gateway has to say. */
  async one(body: string, type: string, query: Record<string, string> = {}): Promise<Published> {
    const at = performance.now();
    const { id, subscribers = 0 } = await post(body, type, query);
    if (!id) throw new Error(t('the gateway could not be reached'));
    this.latencies.published(id, at);
    return { id, subscribers };
  }

  /** Publishes what the page has made by itself, in one request. What is not `timed` counts for no latency. */
  async own(messages: TestMessage[], timed: boolean): Promise<void> {
    const at = performance.now();
    // Before it leaves: it may be back before the answer.
    if (timed) for (const { tag } of messages) this.latencies.published(tag, at);
    const [first, ...more] = messages.map(({ data }) => data);
    if (more.length)
      await post(
        [first, ...more].map((data) => `${JSON.stringify(data)}\n`).join(''),
        'application/x-ndjson',
      );
    else if (typeof first === 'string') await post(first, 'text/plain');
    else await post(JSON.stringify(first), 'application/json');
  }
}

async function post(
  body: string,
  type: string,
  query: Record<string, string> = {},
): Promise<Answer> {
  const url = address('publish');
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const response = await ask(url, { method: 'POST', headers: { 'Content-Type': type }, body });
  if (!response) throw new Error(t('the gateway could not be reached'));
  const answer = (await response.json().catch(() => ({}))) as Answer;
  if (!response.ok)
    throw new Error(
      answer.detail ?? t('the response status was {status}', { status: response.status }),
    );
  return answer;
}
