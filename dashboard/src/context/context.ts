// Which channel the page is about, as whom it is here, and how it asks the gateway.

import type { Message } from '../client/index.js';

const kept = sessionStorage.getItem('tricast.client');
/** One id for this tab, kept across reloads: skip-self and the online count see one client on three wires. */
export let client = kept ?? newClient();
sessionStorage.setItem('tricast.client', client);

/** A tab that was duplicated has its twin's id. The twin keeps it, and this one takes another. */
export async function settle(): Promise<void> {
  const tabs = new BroadcastChannel('tricast.tabs');
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  if (kept && page?.type !== 'reload')
    await new Promise<void>((resolve) => {
      const alone = setTimeout(resolve, TWIN);
      tabs.onmessage = ({ data }: MessageEvent<string>) => {
        if (data !== `mine: ${client}`) return;
        client = newClient();
        sessionStorage.setItem('tricast.client', client);
        clearTimeout(alone);
        resolve();
      };
      tabs.postMessage(`who: ${client}`);
    });
  tabs.onmessage = ({ data }: MessageEvent<string>) => {
    if (data === `who: ${client}`) tabs.postMessage(`mine: ${client}`);
  };
}

/** Milliseconds that a twin has to answer. */
const TWIN = 300;

// Not crypto.randomUUID: that exists only on https and localhost.
function newClient(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...random))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

/** PROTOCOL.md §1. A link can name anything; nothing else ever gets into addresses, and into code to copy. */
const NAME = /^~?([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|@[A-Za-z0-9_.@|:+=-]{1,127})$/;

/** The channel that the fragment names, so that a link to it can be kept and shared. */
export function channel(): string {
  try {
    const named = decodeURIComponent(location.hash.slice(1));
    if (named.length <= 128 && NAME.test(named)) return named;
  } catch {
    // Half an escape is no name either.
  }
  return 'demo';
}

/** What was pasted; kept for this tab alone, over a reload. */
export function token(): string {
  return sessionStorage.getItem('tricast.token') ?? '';
}

export function setToken(pasted: string): void {
  if (pasted) sessionStorage.setItem('tricast.token', pasted);
  else sessionStorage.removeItem('tricast.token');
}

/** Milliseconds: over HTTP/1.1 a request may have to wait for one of the browser's six connections. */
const PATIENCE = 15_000;

/** Where the gateway is, with its base path. */
export function base(): URL {
  return new URL('.', document.baseURI.split('#')[0]);
}

/** Where `path` is for this channel: relative to the page, so that it works under any base path. */
export function address(path: string): URL {
  return new URL(`${path}/${encodeURIComponent(channel())}`, base());
}

/** Asks the gateway, with the token; `null` when it cannot be reached. */
export async function ask(url: URL, options: RequestInit = {}): Promise<Response | null> {
  const headers = new Headers(options.headers);
  if (token()) headers.set('Authorization', `Bearer ${token()}`);
  return fetch(url, { signal: AbortSignal.timeout(PATIENCE), ...options, headers }).catch(
    () => null,
  );
}

/** A message's data as one line. */
export function spelled({ data }: Message): string {
  return typeof data === 'string' ? data : JSON.stringify(data, null, 1).replace(/\n\s*/g, ' ');
}
