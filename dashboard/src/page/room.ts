// Which channel the page is about, as whom it is here, and how it asks the gateway.

import type { Message } from '../client/index.js';

/** One id for this tab, kept across reloads: skip-self and the online count see one client on three wires. */
export const client = sessionStorage.getItem('tricast.client') ?? newClient();
sessionStorage.setItem('tricast.client', client);

// Not crypto.randomUUID: that exists only on https and localhost.
function newClient(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...random)).replaceAll('+', '-').replaceAll('/', '_');
}

/** The channel that the fragment names, so that a link to it can be kept and shared. */
export function channel(): string {
  return decodeURIComponent(location.hash.slice(1)) || 'demo';
}

/** What was pasted; kept for this tab alone, over a reload. */
export function token(): string {
  return sessionStorage.getItem('tricast.token') ?? '';
}

export function setToken(pasted: string): void {
  if (pasted) sessionStorage.setItem('tricast.token', pasted);
  else sessionStorage.removeItem('tricast.token');
}

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
  return fetch(url, { ...options, headers }).catch(() => null);
}

/** A message's data as one line. */
export function spelled({ data }: Message): string {
  return typeof data === 'string' ? data : JSON.stringify(data, null, 1).replace(/\n\s*/g, ' ');
}
