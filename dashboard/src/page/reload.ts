// What a reload of the page is to find again: where each wire was. It goes on there, and nothing is missed.

import type { WireName } from '../client/index.js';
import { channel } from '../context/context.js';
import type { Panel } from './panel.js';

const KEY = 'tricast.left';

interface Left {
  channel: string;
  last: Partial<Record<WireName, string | null>>;
}

const left: Left | null = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
sessionStorage.removeItem(KEY);

/** Writes down where the wires are when the page goes. */
export function rememberOnLeaving(panels: Panel[]): void {
  addEventListener('pagehide', () => {
    const last = Object.fromEntries(panels.map((panel) => [panel.wire, panel.last]));
    sessionStorage.setItem(KEY, JSON.stringify({ channel: channel(), last } satisfies Left));
  });
}

/** Where that wire was, once, if the page was on this channel. */
export function recall(wire: WireName): string | null {
  const own = left?.channel === channel() ? (left.last[wire] ?? null) : null;
  if (own) left!.last[wire] = null;
  return own;
}
