// Asks for a token where the streams are seen, while the gateway refuses them without one.

import { setToken, token } from '../context/context.ts';
import { t } from '../text/index.ts';
import { byId, setText } from './dom.ts';
import type { Panel } from './panel.ts';

/** `subscribe` opens the streams again, with the token that was entered. */
export function setUpTokenPrompt(panels: Panel[], subscribe: () => void): void {
  const prompt = byId<HTMLFormElement>('locked');
  const input = byId<HTMLInputElement>('locked-token');
  const show = () => {
    const isLocked = panels.every((panel) => panel.needsToken);
    // A refused stream is not idle, as the line of the clock would say.
    byId('clock').hidden = isLocked;
    prompt.hidden = !isLocked;
    if (!isLocked) return;
    setText(
      byId('locked-reason'),
      token()
        ? t('The gateway refuses this token for these streams.')
        : t('These streams need a token.'),
    );
  };
  for (const panel of panels) panel.stateChanged.subscribe(show);
  prompt.addEventListener('submit', (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    byId<HTMLInputElement>('token').value = token();
    subscribe();
  });
}
