// The form that publishes.

import { client } from '../context/context.js';
import { t } from '../text/index.js';
import { byId } from './dom.js';
import type { Publisher } from './publisher.js';

/** What the form tells the page. */
export interface Publishing {
  /** This event name is used. */
  named(name: string): void;
  /** The message of this id was published. */
  published(id: string): void;
}

/** Makes the form work. */
export function setUpPublishing(publisher: Publisher, told: Publishing): void {
  const form = byId<HTMLFormElement>('publish');
  const data = byId<HTMLTextAreaElement>('data');
  data.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void publish(form, data, publisher, told);
  });
}

async function publish(
  form: HTMLFormElement,
  data: HTMLTextAreaElement,
  publisher: Publisher,
  told: Publishing,
) {
  const said = data.value;
  const event = byId<HTMLInputElement>('event').value;
  if (event) told.named(event);
  const query = {
    ...(event && { event }),
    ...(byId<HTMLInputElement>('skip').checked && skipping()),
  };
  const outcome = byId('outcome');
  try {
    const { id, subscribers } = await publisher.one(
      said,
      String(new FormData(form).get('kind')),
      query,
    );
    outcome.className = 'good';
    outcome.textContent =
      subscribers === 1
        ? t('Published {id} to 1 subscriber', { id })
        : t('Published {id} to {subscribers} subscribers', { id, subscribers });
    // What was typed meanwhile stays.
    if (data.value === said) data.value = '';
    told.published(id);
  } catch (error) {
    outcome.className = 'bad';
    outcome.textContent = (error as Error).message;
  }
}

/** Keeps a message from this tab, on all of its wires. */
export function skipping(): Record<string, string> {
  return { skip_self: 'true', client };
}
