// Requests to the gateway that serves the page.

import { channel, token } from './context.ts';

/** Milliseconds; over HTTP/1.1 a request may wait for one of the browser's six connections. */
const TIMEOUT_MS = 15_000;

/** Returns the URL of the gateway with its base path. */
export function gatewayUrl(): URL {
  return new URL('.', document.baseURI.split('#')[0]);
}

/** Returns the URL of an endpoint for a channel, that of the page by default, under any base path. */
export function channelUrl(endpoint: string, name = channel()): URL {
  return new URL(`${endpoint}/${encodeURIComponent(name)}`, gatewayUrl());
}

/** Sends a request with the token; resolves to `null` if the gateway cannot be reached. */
export function request(url: URL, options: RequestInit = {}): Promise<Response | null> {
  const headers = new Headers(options.headers);
  if (token()) headers.set('Authorization', `Bearer ${token()}`);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return fetch(url, { signal, ...options, headers }).catch(() => null);
}
