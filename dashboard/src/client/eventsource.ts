// Server-Sent Events through the browser's own EventSource, which reconnects and resumes by itself.

import type { Document } from './document.ts';
import type { OpenOptions, Wire, WireStream } from './wire.ts';

const CONTROL_EVENTS = ['hello', 'gap', 'alive', 'online', 'presence', 'expiring', 'goodbye'].map(
  (name) => `tricast.${name}`,
);

export const eventSource: Wire = {
  name: 'sse',

  open({ url, token, handlers, events }: OpenOptions): WireStream {
    const withToken = new URL(url);
    // An EventSource cannot send a header.
    if (token) withToken.searchParams.set('token', token);
    const source = new EventSource(withToken);
    // The gateway publishes no message named "error" or "open", as the source's own events are. A
    // program between the two might.
    const receive = (event: Event) => {
      if (!(event instanceof MessageEvent)) return;
      const text = event.data as string;
      handlers.document(JSON.parse(text) as Document, text);
    };
    // An EventSource delivers only events that have a listener.
    for (const name of new Set(['message', ...CONTROL_EVENTS, ...events])) {
      source.addEventListener(name, receive);
    }
    source.onerror = (event) => {
      if (event instanceof MessageEvent) return;
      if (source.readyState === EventSource.CLOSED) handlers.closed(null);
      else handlers.interrupted();
    };
    return { close: () => source.close() };
  },
};
