// Server-Sent Events, with the browser's own EventSource: it reconnects and resumes by itself.

import type { Document } from './document.js';
import type { Line, Opening, Wire } from './wire.js';

const CONTROL = ['hello', 'gap', 'alive', 'online', 'presence', 'expiring', 'goodbye'].map(
  (name) => `tricast.${name}`,
);

export const eventSource: Wire = {
  name: 'sse',

  open({ address, token, ears, names }: Opening): Line {
    const at = new URL(address);
    // It can send no field of its own.
    if (token) at.searchParams.set('token', token);
    const source = new EventSource(at);
    // What is published under the name "error" or "open" comes under the names of the source's own events.
    const take = (event: Event) => {
      if (event instanceof MessageEvent)
        ears.document(JSON.parse(event.data as string) as Document, event.data as string);
    };
    // It hears no name that it was not told.
    for (const name of new Set(['message', ...CONTROL, ...names]))
      source.addEventListener(name, take);
    source.onerror = (event) => {
      if (event instanceof MessageEvent) return;
      if (source.readyState === EventSource.CLOSED) ears.closed(null);
      else ears.interrupted();
    };
    return { close: () => source.close() };
  },
};
