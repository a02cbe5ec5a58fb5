// HTTP chunked: one JSON document in each line of a body that does not end.

import type { Document } from './document.js';
import { refusal, type Ears, type Line, type Opening, type Refusal, type Wire } from './wire.js';

/** Silence for so many heartbeats is no silence, but a connection that is gone. */
const MISSED = 2;

export const lines: Wire = {
  name: 'chunked',

  open({ address, ears }: Opening): Line {
    const cancel = new AbortController();
    const gate = new Gate();
    read(address, cancel.signal, gate, ears)
      .catch(() => null)
      .then((refused) => { if (!cancel.signal.aborted) ears.closed(refused); });
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
    if (held) this.#open = new Promise((resolve) => { this.#release = resolve; });
  }
}

/** Reads to the end; gives why, if it was refused. */
async function read(address: URL, signal: AbortSignal, gate: Gate, ears: Ears) {
  const response = await fetch(address, { signal, cache: 'no-store' });
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
      if (document.event === 'tricast.hello') patience = MISSED * (document as { heartbeat: number }).heartbeat;
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

/** Why nothing can be read from `address`; `null` when it can, or nobody says. */
export async function whyNot(address: URL): Promise<Refusal | null> {
  const cancel = new AbortController();
  try {
    const response = await fetch(address, { signal: cancel.signal, cache: 'no-store' });
    return response.ok ? null : await refusal(response);
  } catch {
    return null;
  } finally {
    cancel.abort();
  }
}
