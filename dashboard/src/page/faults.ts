// The buttons that break all three wires at once.

import type { LoadGenerator } from '../measure/load-generator.ts';
import { t } from '../text/index.ts';
import { byId, isBusy, setBusy, setText } from './dom.ts';
import { setOffline } from './offline.ts';
import { outrunHistory } from './outrun.ts';
import type { Panel } from './panel.ts';

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
    setText(byId('overrun-outcome'), '…');
    try {
      setText(byId('overrun-outcome'), await outrunHistory(panels, generator));
    } finally {
      setBusy(overrun, false);
    }
  });
}
