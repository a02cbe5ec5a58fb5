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

/**
 * Sends a request with the token, and reads the whole answer. Resolves to `null` if the gateway
 * cannot be reached, or has not sent all of it in time.
 */
export async function request(url: URL, options: RequestInit = {}): Promise<Response | null> {
  const headers = new Headers(options.headers);
  if (token()) headers.set('Authorization', `Bearer ${token()}`);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal, ...options, headers });
    // Read here, because the time may end between the head and the body.
    const body = await response.text();
    return new Response(body || null, { status: response.status, headers: response.headers });
  } catch {
    return null;
  }
}
