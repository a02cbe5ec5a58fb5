// Takes the wires offline together, and back.

import type { Panel } from './panel.ts';

/** Disconnects the panels that are connected, or connects those that are offline. */
export function setOffline(panels: Panel[], offline: boolean) {
  for (const panel of panels) {
    if (offline && panel.isActive) panel.stop('offline');
    else if (!offline && panel.state === 'offline') panel.start();
  }
}
