// The wires in the order of the page, and their names, which are the same in every language.

import type { WireName } from '../client/index.ts';

export const WIRES: WireName[] = ['sse', 'chunked', 'ws'];

export const NAMES: Record<WireName, string> = { sse: 'SSE', chunked: 'Chunked', ws: 'WebSocket' };
