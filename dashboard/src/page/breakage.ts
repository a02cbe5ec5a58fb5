// Buttons that break things for all three wires, so that you see what becomes of it.

import type { Driver } from '../measure/driver.js';
import { t } from '../text/index.js';
import { byId } from './dom.js';
import { load } from './load.js';
import type { Panel } from './panel.js';
import { address, ask } from './room.js';

/** Messages that are published at once, and how often, until the gateway has forgotten what the reader knows. */
const BATCH = 500;
const BATCHES = 60;

export function setUpBreakage(panels: Panel[], driver: Driver): void {
  const offline = byId<HTMLButtonElement>('offline');
  const overrun = byId<HTMLButtonElement>('overrun');
  const go = (away: boolean) => {
    offline.ariaPressed = String(away);
    offline.textContent = away ? t('Online again') : t('Go offline');
    for (const panel of panels) {
      if (away && panel.listens) panel.stop('offline');
      else if (!away && panel.state === 'offline') panel.start();
    }
  };
  offline.addEventListener('click', () => go(offline.ariaPressed !== 'true'));
  byId('dropall').addEventListener('click', () => panels.forEach((panel) => panel.drop()));
  byId('reload').addEventListener('click', () => location.reload());
  overrun.addEventListener('click', async () => {
    overrun.disabled = true;
    go(true);
    try {
      await outrun(panels[0]!.last, driver);
    } finally {
      go(false);
      overrun.disabled = false;
    }
  });
}

/** Publishes until the channel's history begins behind `last`. */
async function outrun(last: string | null, driver: Driver) {
  const url = address('history');
  if (last) url.searchParams.set('last_event_id', last);
  for (let n = 0; n < BATCHES; n += 1) {
    const answer = await ask(url);
    if (!answer?.ok) return;
    const { gap } = await answer.json() as { gap: object | null };
    if (gap) return;
    await driver.burst(BATCH, load());
  }
}
