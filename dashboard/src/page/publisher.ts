// Publishes messages and notes the time, so that their latencies can be measured.

import { channelUrl, request } from '../context/gateway.ts';
import type { LatencyTracker } from '../measure/latency-tracker.ts';
import type { TestMessage } from '../measure/load-generator.ts';
import { t } from '../text/index.ts';

/** The gateway's response, or a problem document. */
interface PublishResponse {
  id?: string;
  subscribers?: number;
  detail?: string;
}

export interface Published {
  id: string;
  subscribers: number;
}

export class Publisher {
  readonly #latencies: LatencyTracker;

  constructor(latencies: LatencyTracker) {
    this.#latencies = latencies;
  }

  /** Publishes a message; rejects with the gateway's reason if it refuses. */
  async publish(body: string, type: string, query: Record<string, string>): Promise<Published> {
    const at = performance.now();
    const { id, subscribers = 0 } = await post(channelUrl('publish'), body, type, query);
    if (!id) throw new Error(t('the gateway could not be reached'));
    this.#latencies.published(id, at);
    return { id, subscribers };
  }

  /** Publishes a text to another channel than that of the page. */
  async publishTo(name: string, text: string): Promise<void> {
    const at = performance.now();
    const { id } = await post(channelUrl('publish', name), text, 'text/plain');
    if (id) this.#latencies.published(id, at);
  }

  /** Publishes test messages in one request; only `timed` ones count in the latencies. */
  async publishTest(messages: TestMessage[], timed: boolean): Promise<void> {
    const at = performance.now();
    // Noted before the request, because a message may arrive before the response.
    if (timed) for (const { tag } of messages) this.#latencies.published(tag, at);
    const url = channelUrl('publish');
    const [first, ...more] = messages.map(({ data }) => data);
    if (more.length) {
      const lines = [first, ...more].map((data) => `${JSON.stringify(data)}\n`);
      await post(url, lines.join(''), 'application/x-ndjson');
    } else if (typeof first === 'string') {
      await post(url, first, 'text/plain');
    } else {
      await post(url, JSON.stringify(first), 'application/json');
    }
  }
}

async function post(
  url: URL,
  body: string,
  type: string,
  query: Record<string, string> = {},
): Promise<PublishResponse> {
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const headers = { 'Content-Type': type };
  const response = await request(url, { method: 'POST', headers, body });
  if (!response) throw new Error(t('the gateway could not be reached'));
  const { status } = response;
  const answer = (await response.json().catch(() => ({}))) as PublishResponse;
  if (!response.ok)
    throw new Error(answer.detail ?? t('the response status was {status}', { status }));
  return answer;
}
