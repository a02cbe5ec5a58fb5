// The form that publishes.

import { byId } from './dom.js';
import { address, client } from './room.js';

/** Makes the form work; `learn` is told each event name that is used. */
export function setUpPublishing(learn: (name: string) => void): void {
  const form = byId<HTMLFormElement>('publish');
  const data = byId<HTMLTextAreaElement>('data');
  data.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void publish(form, data, learn);
  });
}

async function publish(form: HTMLFormElement, data: HTMLTextAreaElement, learn: (name: string) => void) {
  const url = address('publish');
  const name = byId<HTMLInputElement>('event').value;
  if (name) {
    learn(name);
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
  if (answer.id) data.value = '';
}
