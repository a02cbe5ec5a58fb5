// Buttons that break things for all three wires, so that you see what becomes of it.

import { address, ask } from '../context/context.js';
import type { LoadGenerator } from '../measure/load-generator.js';
import { t } from '../text/index.js';
import { byId, isBusy, setBusy, show } from './dom.js';
import { load } from './load-form.js';
import type { Panel } from './panel.js';

/** Messages that are published at once, and how often, until the gateway has forgotten what the reader knows. */
const BATCH = 500;
const BATCHES = 60;

/** Makes the buttons work; gives what shows whether the wires are offline. */
export function setUpBreakage(panels: Panel[], generator: LoadGenerator): () => void {
  const offline = byId<HTMLButtonElement>('offline');
  const overrun = byId<HTMLButtonElement>('overrun');
  const isAway = () => panels.some(({ state }) => state === 'offline');
  const go = (away: boolean) => {
    for (const panel of panels) {
      if (away && panel.listens) panel.stop('offline');
      else if (!away && panel.state === 'offline') panel.start();
    }
  };
  offline.addEventListener('click', () => go(!isAway()));
  byId('dropall').addEventListener('click', () => panels.forEach((panel) => panel.drop()));
  byId('reload').addEventListener('click', () => location.reload());
  overrun.addEventListener('click', async () => {
    if (isBusy(overrun)) return;
    setBusy(overrun, true);
    const last = panels.map((panel) => panel.last).find(Boolean) ?? null;
    go(true);
    try {
      if (!(await outrun(last, generator)))
        for (const panel of panels) panel.notice(t('the history could not be outrun'), 'bad');
    } finally {
      go(false);
      setBusy(overrun, false);
    }
  });
  return () => {
    offline.dataset['on'] = String(isAway());
    show(offline, isAway() ? t('Online again') : t('Go offline'));
  };
}

/** Publishes until the channel's history begins behind `last`; whether it does. */
async function outrun(last: string | null, generator: LoadGenerator): Promise<boolean> {
  if (!last) return false;
  const url = address('history');
  url.searchParams.set('last_event_id', last);
  for (let n = 0; n < BATCHES; n += 1) {
    const answer = await ask(url);
    if (!answer?.ok) return false;
    const { gap } = (await answer.json()) as { gap: object | null };
    if (gap) return true;
    if (!(await generator.burst(BATCH, load()))) return false;
  }
  return false;
}
