// Publishes, and writes down when: what comes back can then be timed on the page's own clock.

import { parts } from '../client/index.js';
import type { Journal } from '../measure/journal.js';
import { t } from '../text/index.js';
import { address, ask } from './room.js';

/** What the gateway answers: to one message, to a body of JSON lines, or with a problem. */
interface Answer {
  id?: string;
  subscribers?: number;
  published?: number;
  first?: string | null;
  last?: string | null;
  detail?: string;
}

export interface Published {
  id: string;
  subscribers: number;
}

export class Publisher {
  constructor(readonly journal: Journal) {}

  /** Publishes `body`; fails with what the gateway has to say. */
  async one(body: string, type: string, query: Record<string, string> = {}): Promise<Published> {
    const at = performance.now();
    const { id, subscribers = 0 } = await post(body, type, query);
    if (!id) throw new Error(t('the gateway could not be reached'));
    this.journal.sent(id, at);
    return { id, subscribers };
  }

  /** Publishes many values in one request. */
  async many(values: unknown[]): Promise<void> {
    if (values.length === 1) {
      const [only] = values;
      const isText = typeof only === 'string';
      await this.one(isText ? only : JSON.stringify(only), isText ? 'text/plain' : 'application/json');
      return;
    }
    const at = performance.now();
    const lines = values.map((value) => `${JSON.stringify(value)}\n`).join('');
    const { published = 0, first, last } = await post(lines, 'application/x-ndjson');
    if (!first || !last) return;
    // Where somebody else's stand among them, nobody can tell which are whose.
    const { epoch, seq } = parts(first);
    if (parts(last).seq - seq + 1 !== published) return;
    for (let n = 0; n < published; n += 1) this.journal.sent(`${epoch}-${seq + n}`, at);
  }
}

async function post(body: string, type: string, query: Record<string, string> = {}): Promise<Answer> {
  const url = address('publish');
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const response = await ask(url, { method: 'POST', headers: { 'Content-Type': type }, body });
  if (!response) throw new Error(t('the gateway could not be reached'));
  const answer = await response.json().catch(() => ({})) as Answer;
  if (!response.ok) throw new Error(answer.detail ?? t('the answer was {status}', { status: response.status }));
  return answer;
}
