// Keeps the position of each wire over a reload of the page, so that it resumes without a gap, and
// the answers up to there, so that a reload in mid-answer misses no piece.

import type { SavedAnswers } from '../client/answers.ts';
import type { WireName } from '../client/index.ts';
import { channel } from '../context/context.ts';
import type { Panel } from './panel.ts';

const KEY = 'tricast.left';

/** Where a wire was left. */
export interface Place {
  last: string | null;
  answers: SavedAnswers | undefined;
}

interface Places {
  channel: string;
  wires: Partial<Record<WireName, Place>>;
}

/** Saves the place of each wire when the page is left. */
export function savePlacesOnLeave(
  panels: Panel[],
  answersOf: (wire: WireName) => SavedAnswers,
): void {
  const save = (answers: (wire: WireName) => SavedAnswers | undefined) => {
    const places = panels.map(({ wire, last }) => [wire, { last, answers: answers(wire) }]);
    const wires: Places['wires'] = Object.fromEntries(places);
    sessionStorage.setItem(KEY, JSON.stringify({ channel: channel(), wires } satisfies Places));
  };
  addEventListener('pagehide', () => {
    try {
      save(answersOf);
    } catch {
      // Long answers may not fit; each comes whole with its end.
      save(() => undefined);
    }
  });
}

/**
 * Takes the saved places out of the session storage.
 * The function that it returns gives each place once, if the page is on the same channel.
 */
export function takePlaces(): (wire: WireName) => Place | null {
  const saved = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Places | null;
  sessionStorage.removeItem(KEY);
  return (wire) => {
    if (saved?.channel !== channel()) return null;
    const place = saved.wires[wire] ?? null;
    delete saved.wires[wire];
    return place;
  };
}
