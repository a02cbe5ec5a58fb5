// The form that publishes.

import { byId } from './dom.js';
import { address, client } from './room.js';

/** What the form tells the page. */
export interface Publishing {
  /** This event name is used. */
  named(name: string): void;
  /** The message of this id was published. */
  published(id: string): void;
}

/** Makes the form work. */
export function setUpPublishing(told: Publishing): void {
  const form = byId<HTMLFormElement>('publish');
  const data = byId<HTMLTextAreaElement>('data');
  data.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void publish(form, data, told);
  });
}

async function publish(form: HTMLFormElement, data: HTMLTextAreaElement, told: Publishing) {
  const url = address('publish');
  const name = byId<HTMLInputElement>('event').value;
  if (name) {
    told.named(name);
    url.searchParams.set('event', name);
  }
  if (byId<HTMLInputElement>('skip').checked) {
    url.searchParams.set('skip_self', 'true');
    url.searchParams.set('client', client);
  }
  const kind = new FormData(form).get('kind');
  const answer: { id?: string; subscribers?: number; detail?: string } = await fetch(url, {
    method: 'POST', headers: { 'Content-Type': String(kind) }, body: data.value,
  }).then((response) => response.json()).catch((error: unknown) => ({ detail: String(error) }));
  const outcome = byId('outcome');
  outcome.className = answer.id ? 'good' : 'bad';
  outcome.textContent = answer.id
    ? `Published ${answer.id} to ${answer.subscribers} subscriber${answer.subscribers === 1 ? '' : 's'}` : answer.detail ?? '';
  if (!answer.id) return;
  data.value = '';
  told.published(answer.id);
}
