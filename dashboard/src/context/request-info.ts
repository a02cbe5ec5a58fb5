// What the gateway sees of this page's requests: asked once.

import type { WireName } from '../client/index.js';
import { base, client, ask as request } from './context.js';

export interface Seen {
  version: string;
  /** As the request came to the gateway. */
  http: string;
  /** Where the gateway takes itself to be. */
  url: string;
  /** Whether the connection came to it encrypted. */
  encrypted: boolean;
  fields: Record<string, string>;
  /** What to change about whatever stands between, by symptom: as `tricast doctor` says it. */
  advice: Record<string, string>;
  /** The head of each wire's answer, in base64. */
  heads: Record<WireName, string> | null;
}

const UNKNOWN: Seen = {
  version: '',
  http: '',
  url: '',
  encrypted: false,
  fields: {},
  advice: {},
  heads: null,
};

const asked = new Map<boolean, Promise<Seen>>();

/** With the heads of streams of documents, or of `raw` ones. */
export function seen(raw = false): Promise<Seen> {
  const answer = asked.get(raw) ?? ask(raw);
  asked.set(raw, answer);
  return answer;
}

/** With advice for `server`, as answers call it. */
export async function advised(server: string | null): Promise<Seen> {
  return (await fetched(server ? { client, server } : { client })) ?? UNKNOWN;
}

async function ask(raw: boolean): Promise<Seen> {
  const answer = await fetched({ client, format: raw ? 'raw' : 'json' });
  if (!answer) asked.delete(raw);
  return answer ?? UNKNOWN;
}

async function fetched(query: Record<string, string>): Promise<Seen | null> {
  const url = new URL('dashboard/seen', base());
  url.search = String(new URLSearchParams(query));
  const answer = await request(url);
  return answer?.ok ? ((await answer.json()) as Seen) : null;
}

/** What the browser speaks with whatever is next to it. */
export function protocol(): string {
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  const name = page?.nextHopProtocol ?? '';
  return { 'http/1.1': 'HTTP/1.1', h2: 'HTTP/2', h3: 'HTTP/3', '': '?' }[name] ?? name;
}

/** The size of each wire's head, in bytes. */
export async function headSizes(): Promise<Partial<Record<WireName, number>>> {
  const { heads } = await seen();
  return Object.fromEntries(
    Object.entries(heads ?? {}).map(([wire, head]) => [wire, atob(head).length]),
  );
}
