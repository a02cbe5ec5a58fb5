// HTTP chunked: one JSON document in each line of a body that does not end.

import type { Document } from './document.js';
import { type Ears, type Line, type Opening, type Refusal, refusal, type Wire } from './wire.js';

/** Silence for so many heartbeats is no silence, but a connection that is gone. */
const MISSED = 2;

export const lines: Wire = {
  name: 'chunked',

  open({ address, token, ears }: Opening): Line {
    const cancel = new AbortController();
    const gate = new Gate();
    read({ address, token, signal: cancel.signal }, gate, ears)
      .catch(() => null)
      .then((refused) => {
        if (!cancel.signal.aborted) ears.closed(refused);
      });
    return { close: () => cancel.abort(), hold: (held) => gate.hold(held) };
  },
};

/** Where a reader waits while it is not to read; what comes meanwhile waits in the network, up to the gateway. */
class Gate {
  #open = Promise.resolve();
  #release = () => {};

  get passage(): Promise<void> {
    return this.#open;
  }

  hold(held: boolean) {
    this.#release();
    if (held)
      this.#open = new Promise((resolve) => {
        this.#release = resolve;
      });
  }
}

/** Reads to the end; gives why, if it was refused. */
async function read(asked: Asked, gate: Gate, ears: Ears) {
  const { signal } = asked;
  const response = await ask(asked);
  if (!response.ok || !response.body) return refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let patience = Infinity;
  for (;;) {
    await gate.passage;
    const { value, done } = await within(patience, reader.read());
    if (done) return null;
    const whole = (rest + value).split('\n');
    rest = whole.pop() ?? '';
    // A blank line is a heartbeat.
    for (const line of whole) {
      if (!line || signal.aborted) continue;
      const document = JSON.parse(line) as Document;
      if (document.event === 'tricast.hello')
        patience = MISSED * (document as { heartbeat: number }).heartbeat;
      ears.document(document, line);
    }
  }
}

function within<T>(patience: number, work: Promise<T>): Promise<T> {
  if (patience === Infinity) return work;
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error('silence')), patience);
    work.then(done, fail).finally(() => clearTimeout(timer));
  });
}

interface Asked {
  address: URL;
  token: string | undefined;
  signal: AbortSignal;
}

function ask({ address, token, signal }: Asked): Promise<Response> {
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  return fetch(address, { signal, cache: 'no-store', ...(headers && { headers }) });
}

/** Why nothing can be read from there; `null` when it can, or nobody says, or the signal ends the question. */
export async function whyNot(asked: Asked): Promise<Refusal | null> {
  const cancel = new AbortController();
  const end = () => cancel.abort();
  asked.signal.addEventListener('abort', end);
  try {
    const response = await ask({ ...asked, signal: cancel.signal });
    // PROTOCOL.md §5: 204 says that all channels have ended.
    return response.ok && response.status !== 204 ? null : await refusal(response);
  } catch {
    return null;
  } finally {
    asked.signal.removeEventListener('abort', end);
    cancel.abort();
  }
}
