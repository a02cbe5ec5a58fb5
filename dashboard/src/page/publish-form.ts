// The form that publishes a message.

import { clientId } from '../context/context.ts';
import { t } from '../text/index.ts';
import { byId } from './dom.ts';
import type { Publisher } from './publisher.ts';

export interface PublishHandlers {
  /** The user publishes under this event name. */
  eventUsed(name: string): void;
  /** The gateway has accepted the message with this id. */
  published(id: string): void;
}

export function setUpPublishForm(publisher: Publisher, handlers: PublishHandlers): void {
  const form = byId<HTMLFormElement>('publish');
  const input = byId<HTMLTextAreaElement>('data');
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void publish(form, input, publisher, handlers);
  });
}

async function publish(
  form: HTMLFormElement,
  input: HTMLTextAreaElement,
  publisher: Publisher,
  handlers: PublishHandlers,
) {
  const data = input.value;
  const event = byId<HTMLInputElement>('event').value;
  if (event) handlers.eventUsed(event);
  const skip = byId<HTMLInputElement>('skip').checked;
  const query = { ...(event && { event }), ...(skip && skipSelf()) };
  const type = String(new FormData(form).get('kind'));
  const outcome = byId('outcome');
  try {
    const { id, subscribers } = await publisher.publish(data, type, query);
    outcome.className = 'good';
    outcome.textContent =
      subscribers === 1
        ? t('Published {id} to 1 subscriber', { id })
        : t('Published {id} to {subscribers} subscribers', { id, subscribers });
    // Text that was typed in the meantime stays.
    if (input.value === data) input.value = '';
    handlers.published(id);
  } catch (error) {
    outcome.className = 'bad';
    outcome.textContent = (error as Error).message;
  }
}

/** Returns the query that keeps a message from all wires of this tab. */
export function skipSelf(): Record<string, string> {
  return { skip_self: 'true', client: clientId() };
}
