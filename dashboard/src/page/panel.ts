// The panel of a wire: its connection, its figures, and the messages that it has delivered.

import {
  type Connection,
  type Control,
  connect,
  type Gap,
  type Message,
  type Problem,
  parseId,
  type State,
  type WireName,
} from '../client/index.ts';
import { channel, clientId, token } from '../context/context.ts';
import { gatewayUrl, request } from '../context/gateway.ts';
import type { LatencyTracker } from '../measure/latency-tracker.ts';
import { tagOf } from '../measure/load-generator.ts';
import { Meter } from '../measure/meter.ts';
import { type Text, t, tIfKnown } from '../text/index.ts';
import { MessageList, type MessageRef } from './message-list.ts';
import { PanelView } from './panel-view.ts';
import { Signal } from './signal.ts';

/** Milliseconds between two updates of the figures. */
const UPDATE_MS = 250;
const NO_VALUE = '–';
/** The statuses of a refusal that another token may turn. */
const UNAUTHORIZED = [401, 403];

export class Panel {
  readonly stateChanged = new Signal();
  /** The online count of the channel has changed. */
  readonly onlineChanged = new Signal();
  /** A message arrived; `before` is the position before it. */
  readonly messageReceived = new Signal<[message: Message, before: string | null]>();
  /** The user wants to see the bytes of a message. */
  readonly messageSelected = new Signal<[message: MessageRef]>();
  /** The position of the stream: the last id. */
  last: string | null = null;
  meter: Meter;
  readonly #events: Iterable<string>;
  readonly #latencies: LatencyTracker;
  readonly #clock: { readonly channel: string | null };
  readonly #view: PanelView;
  readonly #list: MessageList;
  readonly #toggleButton: HTMLButtonElement;
  readonly #stallButton: HTMLButtonElement;
  #connection: Connection | null = null;
  #headSize = 0;
  /** The status of the response that refused the stream. */
  #refusal: number | null = null;
  #online: number | null = null;
  /** Where the first connection starts if there is no position. */
  #since: string | undefined;
  /** Messages published before this time were delayed by a stalled reader, not by the wire. */
  #stalledUntil = -Infinity;

  constructor(
    readonly wire: WireName,
    events: Iterable<string>,
    latencies: LatencyTracker,
    clock: { readonly channel: string | null },
  ) {
    this.#events = events;
    this.#clock = clock;
    this.#latencies = latencies;
    this.meter = new Meter(wire);
    this.#view = new PanelView(wire);
    this.#list = new MessageList(this.#view.messages, (message) =>
      this.messageSelected.emit(message),
    );
    this.#toggleButton = this.#view.bindButton('toggle', () => this.#toggle());
    this.#stallButton = this.#view.bindButton('stall', () => this.setStalled(!this.#isStalled));
    if (wire !== 'chunked') this.#disableStall();
    this.#view.bindButton('cut', () => void this.cut());
    this.#view.bindButton('drop', () => this.drop());
    setInterval(() => this.#update(), UPDATE_MS);
  }

  /** Whether the panel has a connection, live or not. */
  get isActive(): boolean {
    return this.#connection !== null;
  }

  get state(): string {
    return this.#view.state;
  }

  /** Whether the gateway has refused the stream for want of a token that allows it. */
  get needsToken(): boolean {
    return this.state === 'refused' && UNAUTHORIZED.includes(this.#refusal ?? 0);
  }

  /** The size of the response head of each connection. */
  set head(size: number) {
    this.#headSize = size;
    this.meter.head = size;
  }

  /** Empties the panel for another channel, to start after `last`, or else at `since`. */
  reset(last: string | null, since?: string): void {
    this.stop('disconnected');
    this.#list.clear();
    this.last = last;
    this.#since = since;
    this.resetMeter();
    for (const field of ['client', 'last', 'online']) this.#view.setField(field, NO_VALUE);
  }

  /** Opens a new connection for messages from now on, with figures at zero. */
  restart(): void {
    this.stop('disconnected');
    this.last = null;
    this.#since = undefined;
    this.resetMeter();
    this.start();
  }

  /** Sets the figures to zero. */
  resetMeter(): void {
    this.#stalledUntil = -Infinity;
    this.meter = new Meter(this.wire);
    this.meter.head = this.#headSize;
    this.#update();
  }

  start(): void {
    if (this.#connection) return;
    this.#setState('connecting', 'Disconnect');
    this.meter.connecting(performance.now());
    this.#connection = connect({
      channel: this.#clock.channel ? [channel(), this.#clock.channel] : channel(),
      wires: [this.wire],
      client: clientId(),
      online: true,
      events: this.#events,
      token,
      since: this.last ?? this.#since,
      onDocument: (text, document) => this.meter.countDocument(text, document, performance.now()),
      onMessage: (message) => this.#receive(message),
      onControl: (control) => this.#receiveControl(control),
      onState: (state, _wire, problem) => this.#connectionChanged(state, problem),
    });
  }

  /** Closes the connection until `start`; the panel shows `state`. */
  stop(state: string): void {
    const connection = this.#connection;
    // Closing changes the state of the connection, which must not be taken for a loss.
    this.#connection = null;
    if (connection && state === 'offline') this.meter.interrupted(performance.now());
    connection?.close();
    this.#showStalled(false);
    this.#setState(state, 'Connect');
  }

  /** Reopens the connection at `id` to receive the later messages again. */
  rewind(id: string | null): void {
    this.stop('disconnected');
    if (id && this.last && isBefore(id, this.last)) {
      this.last = id;
      this.#list.rewind(id);
      this.meter.rewind(id);
    }
    this.start();
  }

  /** Sends a command; returns false on wires that cannot. */
  send(command: object): boolean {
    return this.#connection?.send(command) ?? false;
  }

  /** Drops the stream as a failing network would; it reconnects by itself. */
  drop(): void {
    this.#connection?.drop();
  }

  notice(text: string, tone = ''): void {
    this.#list.notice(text, tone);
  }

  /** Has the gateway end the stream; the wire reconnects in its own way. */
  async cut(): Promise<void> {
    const url = new URL('dashboard/cut', gatewayUrl());
    url.search = String(new URLSearchParams({ client: clientId(), wire: this.wire }));
    const response = await request(url, { method: 'POST' });
    if (!response?.ok) this.notice(t('the gateway could not be reached'), 'bad');
  }

  #toggle() {
    if (this.#connection) this.stop('disconnected');
    else this.start();
  }

  get #isStalled(): boolean {
    return this.#stallButton.getAttribute('aria-pressed') === 'true';
  }

  #showStalled(stalled: boolean) {
    this.#stallButton.setAttribute('aria-pressed', String(stalled));
  }

  /** Stops reading or reads on, on the wire where a page can. */
  setStalled(stalled: boolean): void {
    if (!this.#connection?.setPaused(stalled)) return;
    this.#showStalled(stalled);
    this.#stalledUntil = stalled ? Infinity : performance.now();
    this.notice(
      stalled
        ? t('reading stopped: messages wait in the network, then in the gateway')
        : t('reading again'),
    );
  }

  /** Whether reading has stopped. A read that was pending completes first. */
  get isHeld(): boolean {
    return this.#connection?.isHeld ?? false;
  }

  #disableStall() {
    this.#stallButton.disabled = true;
    this.#stallButton.title = t(
      'A page cannot stop the browser from reading this wire; only fetch can stall',
    );
  }

  #connectionChanged(state: State, problem?: Problem) {
    if (!this.#connection) return;
    if (state === 'reconnecting') this.meter.interrupted(performance.now());
    if (state !== 'live') this.#showStalled(false);
    if (state !== 'closed') {
      this.#setState(state, 'Disconnect');
      return;
    }
    this.#refusal = problem?.status ?? null;
    this.stop(finalState(problem));
    if (problem && problem.status !== 204) this.#view.setReason(problem.detail);
  }

  #receiveControl(control: Control) {
    if ('id' in control && typeof control.id === 'string') this.last = control.id;
    switch (control.event) {
      case 'tricast.hello':
        this.meter.hello(control, performance.now());
        this.#view.setField('client', control.client);
        this.#view.setField('online', String(control.online[channel()] ?? NO_VALUE));
        if (control.recovered) this.notice(t('resumed after {id}', { id: control.id }));
        break;
      case 'tricast.gap':
        this.meter.gap(control);
        this.notice(describeGap(control), 'bad');
        break;
      case 'tricast.online':
        if (control.channel !== channel()) break;
        this.#view.setField('online', String(control.users));
        this.onlineChanged.emit();
        break;
      case 'tricast.goodbye': {
        const { reason, reconnect } = control;
        const when = tIfKnown(reconnect);
        this.notice(t('goodbye: {reason}, reconnect {when}', { reason, when }), 'bad');
        if (reconnect === 'never') this.stop(reason);
        break;
      }
      default:
    }
  }

  #receive(message: Message) {
    const now = performance.now();
    const { last: before, meter } = this;
    this.last = message.id;
    const live = meter.countMessage(message, now);
    const stalledUntil = this.#stalledUntil;
    if (live) {
      const key = tagOf(message.data) ?? message.id;
      this.#latencies.received(key, now, (latency) => {
        if (now - latency > stalledUntil) meter.addLatency(latency, now);
      });
    }
    this.#list.message(message);
    this.messageReceived.emit(message, before);
    if (live && message.online !== undefined && message.channel === channel()) {
      this.#online = message.online;
    }
  }

  /** Shows what has changed since the last update; a busy wire changes far more often. */
  #update() {
    if (this.last) this.#view.setField('last', this.last);
    if (this.#online !== null) this.#view.setField('online', String(this.#online));
    this.#online = null;
    this.#view.showFigures(this.meter);
  }

  #setState(state: string, action: 'Connect' | 'Disconnect') {
    this.#view.setState(state);
    this.#view.setReason('');
    this.#view.labelButton(this.#toggleButton, t(action));
    this.stateChanged.emit();
  }
}

export function isBefore(id: string, other: string): boolean {
  const [a, b] = [parseId(id), parseId(other)];
  return a.epoch === b.epoch && a.seq < b.seq;
}

/** Returns the state of a panel whose connection the gateway has closed for good. */
function finalState(problem?: Problem): 'ended' | 'refused' | 'closed' {
  if (!problem) return 'closed';
  return problem.status === 204 ? 'ended' : 'refused';
}

function describeGap({ first, last, certain }: Gap): string {
  if (first === null || last === null) return t('gap: the gateway began a new log');
  const text: Text = certain ? 'gap: {first} to {last} lost' : 'gap: {first} to {last} may be lost';
  return t(text, { first, last });
}
