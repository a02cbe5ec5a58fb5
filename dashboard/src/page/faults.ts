// The buttons that break all three wires at once.

import { channelUrl, request } from '../context/gateway.ts';
import type { LoadGenerator } from '../measure/load-generator.ts';
import { t } from '../text/index.ts';
import { byId, isBusy, setBusy, setText } from './dom.ts';
import { loadOfForm } from './load-form.ts';
import type { Panel } from './panel.ts';

/** Messages in a burst, and the most bursts, to push the last position out of the history. */
const BURST = 500;
const MAX_BURSTS = 60;

export function setUpFaults(panels: Panel[], generator: LoadGenerator): void {
  const offline = byId<HTMLButtonElement>('offline');
  const overrun = byId<HTMLButtonElement>('overrun');
  const isOffline = () => panels.some(({ state }) => state === 'offline');
  const showOffline = () => {
    offline.dataset.on = String(isOffline());
    setText(offline, isOffline() ? t('Online again') : t('Go offline'));
  };
  for (const panel of panels) panel.stateChanged.subscribe(showOffline);
  offline.addEventListener('click', () => setOffline(panels, !isOffline()));
  byId('dropall').addEventListener('click', () => {
    for (const panel of panels) panel.drop();
  });
  byId('reload').addEventListener('click', () => location.reload());
  overrun.addEventListener('click', async () => {
    if (isBusy(overrun)) return;
    setBusy(overrun, true);
    try {
      await overrunHistory(panels, generator);
    } finally {
      setBusy(overrun, false);
    }
  });
}

/** Disconnects the panels that are connected, or connects those that are offline. */
export function setOffline(panels: Panel[], offline: boolean) {
  for (const panel of panels) {
    if (offline && panel.isActive) panel.stop('offline');
    else if (!offline && panel.state === 'offline') panel.start();
  }
}

/** Publishes while the wires are offline, until their position is no longer in the history. */
export async function overrunHistory(panels: Panel[], generator: LoadGenerator) {
  const last = panels.map((panel) => panel.last).find(Boolean) ?? null;
  setOffline(panels, true);
  try {
    if (last && (await publishPast(last, generator))) return;
    for (const panel of panels) panel.notice(t('the history could not be outrun'), 'bad');
  } finally {
    setOffline(panels, false);
  }
}

/** Publishes until the history of the channel begins after `last`; returns whether it does. */
async function publishPast(last: string, generator: LoadGenerator): Promise<boolean> {
  const url = channelUrl('history');
  url.searchParams.set('last_event_id', last);
  for (let n = 0; n < MAX_BURSTS; n += 1) {
    const response = await request(url);
    if (!response?.ok) return false;
    const { gap } = (await response.json()) as { gap: object | null };
    if (gap) return true;
    if (!(await generator.burst(BURST, loadOfForm()))) return false;
  }
  return false;
}
