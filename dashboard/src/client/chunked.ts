// HTTP chunked: an endless response body with one JSON document in each line.

import type { Document, Hello } from './document.ts';
import {
  type OpenOptions,
  type Refusal,
  readRefusal,
  type Wire,
  type WireHandlers,
  type WireStream,
} from './wire.ts';

/** Heartbeat intervals without a byte after which the stream counts as dead. */
const MISSED_HEARTBEATS = 2;

export const chunked: Wire = {
  name: 'chunked',

  open({ url, token, handlers }: OpenOptions): WireStream {
    const abort = new AbortController();
    const gate = new PauseGate();
    void readStream({ url, token, signal: abort.signal }, gate, handlers)
      .catch(() => null)
      .then((refusal) => {
        if (!abort.signal.aborted) handlers.closed(refusal);
      });
    return {
      close: () => abort.abort(),
      setPaused: (paused) => gate.setPaused(paused),
      isHeld: () => gate.isHolding,
    };
  },
};

/** Blocks the reader while it is paused; unread data stays in the network, up to the gateway. */
class PauseGate {
  #opened = Promise.resolve();
  #open = () => {};
  #paused = false;
  /** Whether the reader waits here: a read that was pending when the pause began completes first. */
  isHolding = false;

  async pass(): Promise<void> {
    this.isHolding = this.#paused;
    await this.#opened;
    this.isHolding = false;
  }

  setPaused(paused: boolean) {
    this.#open();
    this.#paused = paused;
    if (!paused) return;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }
}

/** Reads the stream to its end; returns the refusal if there was one. */
async function readStream(request: StreamRequest, gate: PauseGate, handlers: WireHandlers) {
  const response = await fetchStream(request);
  if (!response.ok || !response.body) return readRefusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let timeout = Infinity;
  for (;;) {
    await gate.pass();
    const { value, done } = await withTimeout(timeout, reader.read());
    if (done) return null;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      // A blank line is a heartbeat.
      if (!line || request.signal.aborted) continue;
      const document = JSON.parse(line) as Document;
      if (document.event === 'tricast.hello') {
        timeout = MISSED_HEARTBEATS * (document as Hello).heartbeat;
      }
      handlers.document(document, line);
    }
  }
}

function withTimeout<T>(timeout: number, work: Promise<T>): Promise<T> {
  if (timeout === Infinity) return work;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no heartbeat')), timeout);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

interface StreamRequest {
  url: URL;
  token: string | undefined;
  signal: AbortSignal;
}

function fetchStream({ url, token, signal }: StreamRequest): Promise<Response> {
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  return fetch(url, { signal, cache: 'no-store', ...(headers && { headers }) });
}

/**
 * Asks why a stream is refused.
 * Returns `null` if it is not refused, if there is no answer, or once the signal aborts.
 */
export async function fetchRefusal(request: StreamRequest): Promise<Refusal | null> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  request.signal.addEventListener('abort', stop);
  try {
    const response = await fetchStream({ ...request, signal: abort.signal });
    // PROTOCOL.md §5: 204 says that all channels have ended.
    return response.ok && response.status !== 204 ? null : await readRefusal(response);
  } catch {
    return null;
  } finally {
    request.signal.removeEventListener('abort', stop);
    abort.abort();
  }
}
