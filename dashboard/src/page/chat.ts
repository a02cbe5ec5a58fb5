// A chat on the page's channel: every wire brings each line, and lights show which was there first.

import { type Message, parseId, type WireName } from '../client/index.js';
import { t } from '../text/index.js';
import { NAMES } from '../text/wires.js';
import { byId, element } from './dom.js';
import { skipping } from './publish-form.js';
import type { Publisher } from './publisher.js';

/** The name of the events that are lines of the chat. */
export const CHAT = 'chat';
const KEPT = 100;

interface Said {
  name: string;
  text: string;
}

export class Chat {
  #list = byId('chat-log');

  /** `say` sends a command over the open WebSocket, if there is one. */
  constructor(publisher: Publisher, say: (command: object) => boolean) {
    const form = byId<HTMLFormElement>('chat');
    const text = byId<HTMLInputElement>('chat-text');
    const name = byId<HTMLInputElement>('name');
    name.value = t('guest {number}', { number: 1 + Math.floor(Math.random() * 99) });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (!text.value) return;
      const said: Said = { name: name.value, text: text.value };
      const silent = byId<HTMLInputElement>('chat-skip').checked;
      text.value = '';
      // It will not come back over any wire.
      if (silent) this.#add(line(said, element('span', 'tag', t('not sent back'))));
      const direct = byId<HTMLInputElement>('direct').checked;
      try {
        if (direct && say({ data: said, event: CHAT, skip_self: silent })) return;
        await publisher.one(JSON.stringify(said), 'application/json', {
          event: CHAT,
          ...(silent && skipping()),
        });
      } catch (error) {
        this.#add(element('li', 'notice bad', (error as Error).message));
      }
    });
  }

  clear(): void {
    this.#list.replaceChildren();
  }

  /** A line has come over a wire: the first shows it, the others add their light. */
  took(message: Message, wire: WireName): void {
    if (message.event !== CHAT || !isSaid(message.data)) return;
    const light = element('span', `light on ${wire}`);
    light.title = NAMES[wire];
    light.append(element('span', 'unseen', NAMES[wire]));
    const known = [...this.#list.children].find(
      (row) => (row as HTMLElement).dataset['id'] === message.id,
    );
    if (known) {
      if (!known.querySelector(`.light.${wire}`)) known.append(light);
      return;
    }
    const row = line(message.data, light);
    row.dataset['id'] = message.id;
    row.title = String(parseId(message.id).seq);
    this.#add(row);
  }

  #add(row: HTMLElement) {
    this.#list.append(row);
    if (this.#list.children.length > KEPT) this.#list.firstElementChild?.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function line({ name, text }: Said, ...more: HTMLElement[]): HTMLElement {
  return element('li', '', element('b', '', name), element('span', 'text', text), ...more);
}

/** Anybody may publish anything under that name. */
function isSaid(data: unknown): data is Said {
  return (
    typeof data === 'object' &&
    data !== null &&
    'name' in data &&
    'text' in data &&
    typeof data.name === 'string' &&
    typeof data.text === 'string'
  );
}
