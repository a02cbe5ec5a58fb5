// The gateway's view of this page's requests: PROTOCOL.md on `GET /dashboard/seen`.

import type { WireName } from '../client/index.ts';
import { clientId } from './context.ts';
import { gatewayUrl, request } from './gateway.ts';

export interface RequestInfo {
  /** The version of the gateway. */
  version: string;
  /** The version of HTTP in which the request reached the gateway. */
  http: string;
  /** The gateway's own URL, as it computes it from the request. */
  url: string;
  /** Whether the connection to the gateway was encrypted. */
  encrypted: boolean;
  /** Whether the gateway has keys to verify tokens with; unknown if it did not answer. */
  tokens?: boolean;
  /** Whether the log is on a disk, and holds what has left the memory; unknown if it did not answer. */
  on_disk?: boolean;
  /** Whether the gateway has models to ask; unknown if it did not answer. */
  models?: boolean;
  fields: Record<string, string>;
  /** Advice on the proxies in between, by symptom, in the words of `tricast doctor`. */
  advice: Record<string, string>;
  /** The response head of each wire in base64. */
  heads: Record<WireName, string> | null;
}

const UNKNOWN: RequestInfo = {
  version: '',
  http: '',
  url: '',
  encrypted: false,
  fields: {},
  advice: {},
  heads: null,
};

export type StreamFormat = 'json' | 'raw';

const cache = new Map<StreamFormat, Promise<RequestInfo>>();

/** Returns the gateway's view, with the heads of streams in that format; asks only once. */
export function requestInfo(format: StreamFormat = 'json'): Promise<RequestInfo> {
  const info = cache.get(format) ?? load(format);
  cache.set(format, info);
  return info;
}

async function load(format: StreamFormat): Promise<RequestInfo> {
  const info = await fetchInfo({ client: clientId(), format });
  if (!info) cache.delete(format);
  return info ?? UNKNOWN;
}

/** Returns the gateway's view, with advice for the proxy that calls itself `server`. */
export async function requestInfoWithAdvice(server: string | null): Promise<RequestInfo> {
  const info = await fetchInfo({ client: clientId(), ...(server && { server }) });
  return info ?? UNKNOWN;
}

async function fetchInfo(query: Record<string, string>): Promise<RequestInfo | null> {
  const url = new URL('dashboard/seen', gatewayUrl());
  url.search = String(new URLSearchParams(query));
  const response = await request(url);
  return response?.ok ? ((await response.json()) as RequestInfo) : null;
}

const PROTOCOLS: Record<string, string> = {
  'http/1.1': 'HTTP/1.1',
  h2: 'HTTP/2',
  h3: 'HTTP/3',
  '': '?',
};

/** Returns the version of HTTP between the browser and its next hop. */
export function browserProtocol(): string {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  const name = navigation?.nextHopProtocol ?? '';
  return PROTOCOLS[name] ?? name;
}

/** Returns the size of each wire's response head in bytes. */
export async function headSizes(): Promise<Partial<Record<WireName, number>>> {
  const { heads } = await requestInfo();
  const sizes = Object.entries(heads ?? {}).map(([wire, head]) => [wire, atob(head).length]);
  return Object.fromEntries(sizes);
}
