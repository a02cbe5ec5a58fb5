// Keeps the position of each wire over a reload of the page, so that it resumes without a gap.

import type { WireName } from '../client/index.ts';
import { channel } from '../context/context.ts';
import type { Panel } from './panel.ts';

const KEY = 'tricast.left';

interface Positions {
  channel: string;
  last: Partial<Record<WireName, string | null>>;
}

/** Saves the positions of the wires when the page is left. */
export function savePositionsOnLeave(panels: Panel[]): void {
  addEventListener('pagehide', () => {
    const last = Object.fromEntries(panels.map((panel) => [panel.wire, panel.last]));
    sessionStorage.setItem(KEY, JSON.stringify({ channel: channel(), last } satisfies Positions));
  });
}

/**
 * Takes the saved positions out of the session storage.
 * The function that it returns gives each position once, if the page is on the same channel.
 */
export function takePositions(): (wire: WireName) => string | null {
  const saved = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Positions | null;
  sessionStorage.removeItem(KEY);
  return (wire) => {
    if (saved?.channel !== channel()) return null;
    const position = saved.last[wire] ?? null;
    delete saved.last[wire];
    return position;
  };
}
