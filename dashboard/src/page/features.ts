// The table of features: the abilities of each wire, and where the page shows them.

import { type Text, t } from '../text/index.ts';
import { button, byId, element, goTo } from './dom.ts';

interface Feature {
  name: Text;
  sse: Text;
  chunked: Text;
  ws: Text;
  /** The id of the part of the page that shows the feature. */
  shown: string;
}

const FEATURES: Feature[] = [
  {
    name: 'Direction',
    sse: 'to the client',
    chunked: 'to the client',
    ws: 'both ways',
    shown: 'chatbox',
  },
  { name: 'In a browser', sse: 'EventSource', chunked: 'fetch', ws: 'WebSocket', shown: 'codebox' },
  {
    name: 'Reconnects by itself',
    sse: 'yes, the browser does',
    chunked: 'your code',
    ws: 'your code',
    shown: 'faults',
  },
  {
    name: 'Resumes',
    sse: 'yes, by Last-Event-ID',
    chunked: 'yes, by last_event_id',
    ws: 'yes, by last_event_id',
    shown: 'faults',
  },
  { name: 'Reports lost messages', sse: 'yes', chunked: 'yes', ws: 'yes', shown: 'faults' },
  {
    name: 'Overhead per message',
    sse: '30 to 50 bytes',
    chunked: '7 to 10 bytes',
    ws: '2 to 10 bytes',
    shown: 'wireview',
  },
  {
    name: 'Binary data',
    sse: 'as base64',
    chunked: 'as base64, or raw',
    ws: 'as base64, or raw',
    shown: 'wireview',
  },
  {
    name: 'Custom headers',
    sse: 'no: query or cookie',
    chunked: 'yes',
    ws: 'no: query, cookie or subprotocol',
    shown: 'codebox',
  },
  {
    name: 'Compression',
    sse: 'no',
    chunked: 'no',
    ws: 'permessage-deflate, if enabled',
    shown: 'codebox',
  },
  {
    name: 'Through proxies',
    sse: 'like any download; buffering must be off',
    chunked: 'like any download; buffering must be off',
    ws: 'the proxy must allow the upgrade',
    shown: 'comparison',
  },
  {
    name: 'Streams to one host',
    sse: 'six over HTTP/1.1, a hundred or more over HTTP/2',
    chunked: 'six over HTTP/1.1, a hundred or more over HTTP/2',
    ws: '255 in Chromium, 200 in Firefox',
    shown: 'faults',
  },
  { name: 'Backpressure from the page', sse: 'no', chunked: 'yes', ws: 'no', shown: 'panels' },
];

export function setUpFeatures(): void {
  byId('features').replaceChildren(
    ...FEATURES.map(({ name, sse, chunked, ws, shown }) => {
      const head = element('th', '', t(name));
      head.setAttribute('scope', 'row');
      const see = button(t('see'), () => goTo(shown));
      see.setAttribute('aria-label', `${t('see')}: ${t(name)}`);
      return element(
        'tr',
        '',
        head,
        cell('sse', sse),
        cell('chunked', chunked),
        cell('ws', ws),
        element('td', '', see),
      );
    }),
  );
}

function cell(wire: string, text: Text): HTMLElement {
  return element('td', wire, t(text));
}
