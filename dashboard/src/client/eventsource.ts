// Server-Sent Events, with the browser's own EventSource: it reconnects and resumes by itself.

import type { Document } from './document.js';
import type { Line, Opening, Wire } from './wire.js';

const CONTROL = ['hello', 'gap', 'online', 'presence', 'expiring', 'goodbye'].map((name) => `tricast.${name}`);

export const eventSource: Wire = {
  name: 'sse',

  open({ address, ears, names }: Opening): Line {
    const source = new EventSource(address);
    const take = (event: MessageEvent<string>) => ears.document(JSON.parse(event.data) as Document, event.data);
    // It hears no name that it was not told.
    for (const name of new Set(['message', ...CONTROL, ...names])) source.addEventListener(name, take as EventListener);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) ears.closed(null);
      else ears.interrupted();
    };
    return { close: () => source.close() };
  },
};
