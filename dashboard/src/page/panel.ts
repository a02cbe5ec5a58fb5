// One wire's panel: its state, and the messages that have come over it.

import { connect, parts, type Connection, type Control, type Message, type Problem, type State, type WireName } from '../client/index.js';
import { byId, element, within } from './dom.js';
import { channel, client, spelled } from './room.js';

const ROWS_KEPT = 200;

/** What a panel tells the page. */
export interface Watcher {
  /** The online count has changed. */
  counted(): void;
  /** A message of this name came, behind `before`. */
  named(name: string, before: string | null): void;
  /** Somebody wants to see the bytes of this message. */
  chosen(id: string): void;
}

export class Panel {
  last: string | null = null;
  #connection: Connection | null = null;
  #count = 0;
  #root: HTMLElement;
  #list: HTMLElement;
  #toggle: HTMLButtonElement;

  constructor(readonly wire: WireName, readonly title: string, how: string, readonly names: Set<string>, readonly watcher: Watcher) {
    const template = byId<HTMLTemplateElement>('panel').content.firstElementChild as HTMLElement;
    this.#root = template.cloneNode(true) as HTMLElement;
    this.#root.classList.add(wire);
    this.#list = within(this.#root, '.messages');
    this.#toggle = within(this.#root, '.toggle');
    within(this.#root, 'h2').textContent = title;
    within(this.#root, '.how').textContent = how;
    this.#list.ariaLabel = `Messages over ${title}`;
    this.#toggle.addEventListener('click', () => (this.#connection ? this.stop('disconnected') : this.start()));
    const cut = within<HTMLButtonElement>(this.#root, '.cut');
    cut.ariaLabel = `Have the gateway cut ${title}`;
    cut.addEventListener('click', () => void this.#cut());
    this.#list.addEventListener('keydown', ({ key }) => { if (key === 'Enter' && this.last) this.watcher.chosen(this.last); });
    byId('panels').append(this.#root);
  }

  get listens(): boolean {
    return this.#connection !== null;
  }

  reset(): void {
    this.stop('disconnected');
    this.#list.replaceChildren();
    this.last = null;
    this.#count = 0;
    for (const [field, value] of [['client', '–'], ['last', '–'], ['count', '0'], ['online', '–']] as const) this.#set(field, value);
  }

  start(): void {
    this.#state('connecting', 'Disconnect');
    this.#connection = connect({
      channel: channel(), wires: [this.wire], client, online: true, events: this.names,
      ...(this.last && { since: this.last }),
      message: (message) => this.#take(message),
      control: (control) => this.#heard(control),
      state: (state, _, problem) => this.#changed(state, problem),
    });
  }

  stop(state: string): void {
    const connection = this.#connection;
    // It tells of its end, which is not to be taken for the gateway's doing.
    this.#connection = null;
    connection?.close();
    this.#state(state, 'Connect');
  }

  /** Opens it again behind `id`, to hear once more what came after. */
  rewind(id: string | null): void {
    this.stop('disconnected');
    if (id && !(this.last && parts(this.last).seq <= parts(id).seq)) {
      this.last = id;
      const rows = [...this.#list.querySelectorAll<HTMLElement>('.message')];
      const later = rows.filter((row) => parts(row.dataset['id'] ?? '').seq > parts(id).seq);
      this.#count -= later.length;
      this.#set('count', String(this.#count));
      for (const row of later) row.remove();
    }
    this.start();
  }

  notice(text: string, tone = ''): void {
    this.#push(element('li', `notice ${tone}`, text));
  }

  /** Has the gateway end the stream: what comes then is the wire's own way to come back. */
  async #cut() {
    const url = new URL('dashboard/cut', document.baseURI.split('#')[0]);
    url.search = String(new URLSearchParams({ client, wire: this.wire }));
    const answer = await fetch(url, { method: 'POST' }).catch(() => null);
    if (!answer?.ok) this.notice('the gateway could not be reached', 'bad');
  }

  #changed(state: State, problem?: Problem) {
    if (!this.#connection) return;
    if (state !== 'closed') return this.#state(state, 'Disconnect');
    if (problem) this.notice(problem.detail, 'bad');
    this.stop(problem ? 'refused' : 'closed');
  }

  #heard(control: Control) {
    if ('id' in control && typeof control.id === 'string') this.#passed(control.id);
    switch (control.event) {
      case 'tricast.hello':
        this.#set('client', control.client);
        this.#set('online', String(control.online[channel()] ?? '–'));
        if (control.recovered) this.notice(`resumed after ${control.id}`);
        break;
      case 'tricast.gap':
        this.notice(control.first === null ? 'gap: the gateway began a new log'
          : `gap: ${control.first} to ${control.last} ${control.certain ? 'lost' : 'may be lost'}`, 'bad');
        break;
      case 'tricast.online':
        this.#set('online', String(control.users));
        this.watcher.counted();
        break;
      case 'tricast.goodbye':
        this.notice(`goodbye: ${control.reason}, come back ${control.reconnect}`, 'bad');
        if (control.reconnect === 'never') this.stop(control.reason);
        break;
      default:
    }
  }

  #take(message: Message) {
    const before = this.last;
    this.#passed(message.id);
    this.#count += 1;
    this.#set('count', String(this.#count));
    this.#set('online', String(message.online ?? '–'));
    this.#row(message);
    this.watcher.named(message.event, before);
  }

  #row(message: Message) {
    const tags = [message.event !== 'message' && message.event, message.encoding, message.end && 'end'];
    const row = element('li', 'message', element('span', 'seq', String(parts(message.id).seq)),
      ...tags.filter((tag) => typeof tag === 'string').map((tag) => element('span', 'tag', tag)),
      element('span', 'data', spelled(message)),
      element('time', '', new Date(message.time).toLocaleTimeString([], { hour12: false })));
    row.dataset['id'] = row.title = message.id;
    row.addEventListener('click', () => this.watcher.chosen(message.id));
    this.#push(row);
  }

  #push(row: HTMLElement) {
    this.#list.prepend(row);
    if (this.#list.children.length > ROWS_KEPT) this.#list.lastElementChild?.remove();
  }

  #passed(id: string) {
    this.last = id;
    this.#set('last', id);
  }

  #set(field: string, value: string) {
    const cell = within(this.#root, `[data-field=${field}]`);
    cell.textContent = cell.title = value;
  }

  #state(state: string, action: string) {
    this.#root.dataset['state'] = state;
    within(this.#root, '.state').textContent = state;
    this.#toggle.textContent = action;
    this.#toggle.ariaLabel = `${action} ${this.title}`;
  }
}
