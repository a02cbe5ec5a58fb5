// One wire's panel: its connection, what is measured of it, and the messages that have come over it.

import {
  type Connection,
  type Control,
  connect,
  type Message,
  type Problem,
  parseId,
  type State,
  type WireName,
} from '../client/index.js';
import { ask, base, channel, client, token } from '../context/context.js';
import type { LatencyTracker } from '../measure/latency-tracker.js';
import { tagOf } from '../measure/load-generator.js';
import { Meter } from '../measure/meter.js';
import { type Text, t } from '../text/index.js';
import { NAMES } from '../text/wires.js';
import { byId, show, within } from './dom.js';
import { showFigures } from './figures.js';
import { Rows } from './rows.js';

/** Milliseconds between two looks at the figures. */
const PAUSE = 250;

/** What a panel tells the page. */
export interface Watcher {
  /** The state of a panel has changed. */
  changed(): void;
  /** The online count has changed. */
  counted(): void;
  /** A message came, behind `before`. */
  took(message: Message, wire: WireName, before: string | null): void;
  /** Somebody wants to see the bytes of this message. */
  chosen(id: string): void;
}

const HOW: Record<WireName, Text> = {
  sse: 'EventSource, reconnects by itself',
  chunked: 'fetch and getReader, JSON lines',
  ws: 'one text frame for each message',
};

export class Panel {
  last: string | null = null;
  meter: Meter;
  readonly title: string;
  #head = 0;
  #connection: Connection | null = null;
  #root: HTMLElement;
  #rows: Rows;
  #toggle: HTMLButtonElement;
  #stall: HTMLButtonElement;

  constructor(
    readonly wire: WireName,
    readonly names: Set<string>,
    readonly latencies: LatencyTracker,
    readonly watcher: Watcher,
  ) {
    const template = byId<HTMLTemplateElement>('panel').content.firstElementChild as HTMLElement;
    this.#root = template.cloneNode(true) as HTMLElement;
    this.#root.classList.add(wire);
    this.title = NAMES[wire];
    this.meter = new Meter(wire);
    within(this.#root, 'h2').textContent = this.title;
    within(this.#root, '.how').textContent = t(HOW[wire]);
    const list = within(this.#root, '.messages');
    list.setAttribute('aria-label', t('Messages over {wire}', { wire: this.title }));
    this.#rows = new Rows(list, watcher.chosen);
    this.#toggle = this.#does('toggle', () =>
      this.#connection ? this.stop('disconnected') : this.start(),
    );
    this.#stall = this.#does('stall', () =>
      this.#hold(this.#stall.getAttribute('aria-pressed') !== 'true'),
    );
    if (wire !== 'chunked') this.#cannotStall();
    this.#does('cut', () => void this.cut());
    this.#does('drop', () => this.drop());
    byId('panels').append(this.#root);
    setInterval(() => this.#paint(), PAUSE);
  }

  get listens(): boolean {
    return this.#connection !== null;
  }

  get state(): string {
    return this.#root.dataset['state'] ?? '';
  }

  /** The bytes of the head that a connection begins with. */
  set head(size: number) {
    this.#head = this.meter.head = size;
  }

  /** Another channel: nothing of the old one is left. */
  reset(last: string | null = null): void {
    this.stop('disconnected');
    this.#rows.clear();
    this.last = last;
    this.measure();
    for (const field of ['client', 'last', 'online']) this.#set(field, '–');
  }

  /** Opens it anew: what is published from here on is measured, and nothing else. */
  begin(): void {
    this.stop('disconnected');
    this.last = null;
    this.measure();
    this.start();
  }

  /** Measures from here on. */
  measure(): void {
    this.#heldUntil = -Infinity;
    this.meter = new Meter(this.wire);
    this.meter.head = this.#head;
    this.#paint();
  }

  start(): void {
    if (this.#connection) return;
    this.#state('connecting', 'Disconnect');
    this.meter.connecting(performance.now());
    this.#connection = connect({
      channel: channel(),
      wires: [this.wire],
      client,
      online: true,
      events: this.names,
      token,
      ...(this.last && { since: this.last }),
      onDocument: (text, document) => this.meter.countDocument(text, document, performance.now()),
      onMessage: (message) => this.#take(message),
      onControl: (control) => this.#heard(control),
      onState: (state, _, problem) => this.#changed(state, problem),
    });
  }

  /** Ends it, until `start`. */
  stop(state: Text | (string & {})): void {
    const connection = this.#connection;
    // It tells of its end, which is not to be taken for the gateway's doing.
    this.#connection = null;
    if (connection && state === 'offline') this.meter.interrupted(performance.now());
    connection?.close();
    this.#stall.setAttribute('aria-pressed', 'false');
    this.#state(state, 'Connect');
  }

  /** Opens it again behind `id`, to hear once more what came after. */
  rewind(id: string | null): void {
    this.stop('disconnected');
    if (
      id &&
      this.last &&
      parseId(this.last).epoch === parseId(id).epoch &&
      parseId(this.last).seq > parseId(id).seq
    ) {
      this.last = id;
      this.#rows.rewind(id);
      this.meter.rewind(id);
    }
    this.start();
  }

  /** Says something on it; false where that cannot be. */
  say(command: object): boolean {
    return this.#connection?.send(command) ?? false;
  }

  /** Ends the stream as a failing network does; it comes back by itself. */
  drop(): void {
    this.#connection?.drop();
  }

  notice(text: string, tone = ''): void {
    this.#rows.notice(text, tone);
  }

  /** Has the gateway end the stream: what comes then is the wire's own way to come back. */
  async cut(): Promise<void> {
    const url = new URL('dashboard/cut', base());
    url.search = String(new URLSearchParams({ client, wire: this.wire }));
    const answer = await ask(url, { method: 'POST' });
    if (!answer?.ok) this.notice(t('the gateway could not be reached'), 'bad');
  }

  #hold(held: boolean) {
    if (!this.#connection?.setPaused(held)) return;
    this.#stall.setAttribute('aria-pressed', String(held));
    this.#heldUntil = held ? Infinity : performance.now();
    this.notice(
      held
        ? t('reading stopped: messages wait in the network, then in the gateway')
        : t('reading again'),
    );
  }

  /** The browser reads these whether the page wants it or not. */
  #cannotStall() {
    this.#stall.disabled = true;
    this.#stall.title = t(
      'A page cannot stop the browser from reading this wire; only fetch can stall',
    );
  }

  #changed(state: State, problem?: Problem) {
    if (!this.#connection) return;
    if (state === 'reconnecting') this.meter.interrupted(performance.now());
    if (state !== 'live') this.#stall.setAttribute('aria-pressed', 'false');
    if (state !== 'closed') return this.#state(state, 'Disconnect');
    if (problem && problem.status !== 204) this.notice(problem.detail, 'bad');
    this.stop(problem?.status === 204 ? 'ended' : problem ? 'refused' : 'closed');
  }

  #heard(control: Control) {
    if ('id' in control && typeof control.id === 'string') this.#passed(control.id);
    switch (control.event) {
      case 'tricast.hello':
        this.meter.hello(control, performance.now());
        this.#set('client', control.client);
        this.#set('online', String(control.online[channel()] ?? '–'));
        if (control.recovered) this.notice(t('resumed after {id}', { id: control.id }));
        break;
      case 'tricast.gap':
        this.meter.gap(control);
        this.notice(
          control.first === null || control.last === null
            ? t('gap: the gateway began a new log')
            : t(
                control.certain
                  ? 'gap: {first} to {last} lost'
                  : 'gap: {first} to {last} may be lost',
                { first: control.first, last: control.last },
              ),
          'bad',
        );
        break;
      case 'tricast.online':
        this.#set('online', String(control.users));
        this.watcher.counted();
        break;
      case 'tricast.goodbye':
        this.notice(
          t('goodbye: {reason}, reconnect {when}', {
            reason: control.reason,
            when: t(control.reconnect),
          }),
          'bad',
        );
        if (control.reconnect === 'never') this.stop(control.reason);
        break;
      default:
    }
  }

  #take(message: Message) {
    const now = performance.now();
    const { last: before, meter } = this;
    this.last = message.id;
    const live = meter.countMessage(message, now);
    // How long a message took that waited for this reader says nothing about the wire.
    const held = this.#heldUntil;
    if (live)
      this.latencies.received(tagOf(message.data) ?? message.id, now, (latency) => {
        if (now - latency > held) meter.addLatency(latency, now);
      });
    this.#rows.message(message);
    this.watcher.took(message, this.wire, before);
    if (live && message.online !== undefined) this.#online = message.online;
  }

  #online: number | null = null;
  /** What was published before waited for this reader. */
  #heldUntil = -Infinity;

  #passed(id: string) {
    this.last = id;
  }

  #paint() {
    if (this.last) this.#set('last', this.last);
    if (this.#online !== null) this.#set('online', String(this.#online));
    this.#online = null;
    showFigures(this.#root, this.meter);
  }

  #does(name: string, action: () => void): HTMLButtonElement {
    const found = within<HTMLButtonElement>(this.#root, `.${name}`);
    found.addEventListener('click', action);
    found.setAttribute('aria-label', `${found.textContent} ${this.title}`);
    return found;
  }

  #set(field: string, value: string) {
    const cell = within(this.#root, `[data-field=${field}]`);
    show(cell, value);
    cell.title = value;
  }

  #state(state: string, action: 'Connect' | 'Disconnect') {
    this.#root.dataset['state'] = state;
    show(within(this.#root, '.state'), t(state as Text));
    this.#toggle.textContent = t(action);
    this.#toggle.setAttribute('aria-label', `${t(action)} ${this.title}`);
    this.watcher.changed();
  }
}
