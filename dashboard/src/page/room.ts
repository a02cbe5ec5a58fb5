// Which channel the page is about, and as whom it is here.

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

/** Where `path` is for this channel: relative to the page, so that it works under any base path. */
export function address(path: string): URL {
  return new URL(`${path}/${encodeURIComponent(channel())}`, document.baseURI.split('#')[0]);
}

/** A message's data as one line. */
export function spelled({ data }: Message): string {
  return typeof data === 'string' ? data : JSON.stringify(data, null, 1).replace(/\n\s*/g, ' ');
}
