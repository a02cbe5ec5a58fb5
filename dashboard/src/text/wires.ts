// The three wires, in the order and by the names that a reader sees. The names are the same in every language.

import type { WireName } from '../client/index.js';

export const WIRES: WireName[] = ['sse', 'chunked', 'ws'];

export const NAMES: Record<WireName, string> = { sse: 'SSE', chunked: 'Chunked', ws: 'WebSocket' };
