// A chat on the channel of the page. Lights at each line show which wires have delivered it.

import { type Message, parseId, type WireName } from '../client/index.ts';
import { t } from '../text/index.ts';
import { NAMES, WIRES } from '../text/wires.ts';
import { byId, element, within } from './dom.ts';
import { skipSelf } from './publish-form.ts';
import type { Publisher } from './publisher.ts';

/** The event name of chat lines. */
export const CHAT_EVENT = 'chat';
const MAX_LINES = 100;

interface ChatLine {
  name: string;
  text: string;
}

/** A wire that sends commands; `send` returns false if it cannot at present. */
interface CommandSender {
  send(command: object): boolean;
}

export class Chat {
  readonly #log = byId('chat-log');
  readonly #publisher: Publisher;
  readonly #webSocket: CommandSender;

  constructor(publisher: Publisher, webSocket: CommandSender) {
    this.#publisher = publisher;
    this.#webSocket = webSocket;
    const text = byId<HTMLInputElement>('chat-text');
    const name = byId<HTMLInputElement>('name');
    name.value = t('guest {number}', { number: 1 + Math.floor(Math.random() * 99) });
    byId<HTMLFormElement>('chat').addEventListener('submit', (event) => {
      event.preventDefault();
      if (!text.value) return;
      const line = { name: name.value, text: text.value };
      text.value = '';
      void this.#send(line);
    });
  }

  clear(): void {
    this.#log.replaceChildren();
  }

  /**
   * Shows a line at its first arrival, and a light for each wire that delivers it.
   * The lights have a fixed order: that of arrival would be that of the tab's event handlers.
   */
  receive(message: Message, wire: WireName): void {
    if (message.event !== CHAT_EVENT || !isChatLine(message.data)) return;
    const rows = [...this.#log.children] as HTMLElement[];
    const known = rows.find(({ dataset }) => dataset.id === message.id);
    if (known) {
      turnOn(known, wire);
      return;
    }
    const row = chatRow(message.data, ...WIRES.map((name) => element('span', `light ${name}`)));
    turnOn(row, wire);
    row.dataset.id = message.id;
    row.title = String(parseId(message.id).seq);
    this.#append(row);
  }

  async #send(line: ChatLine) {
    const skip = byId<HTMLInputElement>('chat-skip').checked;
    const direct = byId<HTMLInputElement>('direct').checked;
    // A skipped line does not return over any wire.
    if (skip) this.#append(chatRow(line, element('span', 'tag', t('not sent back'))));
    const command = { data: line, event: CHAT_EVENT, skip_self: skip };
    try {
      if (direct && this.#webSocket.send(command)) return;
      const query = { event: CHAT_EVENT, ...(skip && skipSelf()) };
      await this.#publisher.publish(JSON.stringify(line), 'application/json', query);
    } catch (error) {
      this.#append(element('li', 'notice bad', (error as Error).message));
    }
  }

  #append(row: HTMLElement) {
    this.#log.append(row);
    if (this.#log.children.length > MAX_LINES) this.#log.firstElementChild?.remove();
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

function turnOn(row: HTMLElement, wire: WireName) {
  const light = within(row, `.light.${wire}`);
  if (light.classList.contains('on')) return;
  light.classList.add('on');
  light.append(element('span', 'unseen', NAMES[wire]));
  light.title = NAMES[wire];
}

function chatRow({ name, text }: ChatLine, ...more: HTMLElement[]): HTMLElement {
  return element('li', '', element('b', '', name), element('span', 'text', text), ...more);
}

/** Checks the data: anybody may publish anything under the event name of the chat. */
function isChatLine(data: unknown): data is ChatLine {
  return (
    typeof data === 'object' &&
    data !== null &&
    'name' in data &&
    'text' in data &&
    typeof data.name === 'string' &&
    typeof data.text === 'string'
  );
}
