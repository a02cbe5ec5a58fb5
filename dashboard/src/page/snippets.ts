// The Code section: programs to copy that subscribe to the channel of the page.

import { t } from '../text/index.ts';
import { button, byId, setText } from './dom.ts';
import { eventSource, fetchLines, webSocket } from './programs-for-pages.ts';
import { curl, go, python, shell } from './programs-for-terminals.ts';
import { snippetUrls } from './snippet-urls.ts';

const PROGRAMS = {
  curl,
  Shell: shell,
  EventSource: eventSource,
  fetch: fetchLines,
  WebSocket: webSocket,
  Python: python,
  Go: go,
};

type SnippetName = keyof typeof PROGRAMS;

let chosen: SnippetName = 'curl';

export function setUpSnippets(): void {
  const names = Object.keys(PROGRAMS) as SnippetName[];
  byId('languages').replaceChildren(...names.map(createTab));
  byId('copy').addEventListener('click', () => void copySnippet());
  showSnippet();
}

function createTab(name: SnippetName): HTMLButtonElement {
  const tab = button(name, () => {
    chosen = name;
    showSnippet();
  });
  tab.dataset.name = name;
  return tab;
}

/** Shows the chosen snippet for the current channel. */
export function showSnippet(): void {
  for (const tab of byId('languages').querySelectorAll('button')) {
    tab.setAttribute('aria-pressed', String(tab.dataset.name === chosen));
  }
  setText(byId('snippet'), PROGRAMS[chosen](snippetUrls()));
}

async function copySnippet() {
  const snippet = byId('snippet');
  const outcome = byId('copied');
  try {
    // Browsers have a clipboard only on https and localhost.
    await navigator.clipboard.writeText(snippet.textContent ?? '');
    outcome.textContent = t('copied');
  } catch {
    getSelection()?.selectAllChildren(snippet);
    outcome.textContent = t('selected: copy it with the keyboard');
  }
}
