// The DOM of a panel: its state, figures and buttons.

import type { WireName } from '../client/index.ts';
import type { Meter } from '../measure/meter.ts';
import { type Text, t, tIfKnown } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { byId, setText, within } from './dom.ts';
import { showFigures } from './figures.ts';

const TECHNIQUES: Record<WireName, Text> = {
  sse: 'EventSource, reconnects by itself',
  chunked: 'fetch and getReader, JSON lines',
  ws: 'one text frame for each message',
};

export class PanelView {
  readonly messages: HTMLElement;
  readonly #root: HTMLElement;
  readonly #title: string;

  /** Adds a panel to the page. */
  constructor(wire: WireName) {
    const template = byId<HTMLTemplateElement>('panel').content.firstElementChild as HTMLElement;
    this.#root = template.cloneNode(true) as HTMLElement;
    this.#root.classList.add(wire);
    this.#title = NAMES[wire];
    within(this.#root, 'h2').textContent = this.#title;
    within(this.#root, '.how').textContent = t(TECHNIQUES[wire]);
    this.messages = within(this.#root, '.messages');
    this.messages.setAttribute('aria-label', t('Messages over {wire}', { wire: this.#title }));
    byId('panels').append(this.#root);
    const details = within<HTMLDetailsElement>(this.#root, 'details');
    details.addEventListener('toggle', () => openAllDetails(details.open));
  }

  get state(): string {
    return this.#root.dataset.state ?? '';
  }

  setState(state: string): void {
    this.#root.dataset.state = state;
    setText(within(this.#root, '.state'), tIfKnown(state));
  }

  /** Shows why the wire is in its state, or nothing. */
  setReason(reason: string): void {
    const line = within(this.#root, '.reason');
    setText(line, reason);
    line.hidden = !reason;
  }

  setField(field: string, value: string): void {
    const cell = within(this.#root, `[data-field=${field}]`);
    setText(cell, value);
    cell.title = value;
  }

  showFigures(meter: Meter): void {
    showFigures(this.#root, meter);
  }

  bindButton(name: string, action: () => void): HTMLButtonElement {
    const found = within<HTMLButtonElement>(this.#root, `.${name}`);
    found.addEventListener('click', action);
    this.labelButton(found, found.textContent ?? '');
    return found;
  }

  /** Names a button together with its wire: each panel has the same buttons. */
  labelButton(target: HTMLButtonElement, text: string): void {
    target.textContent = text;
    target.setAttribute('aria-label', `${text} ${this.#title}`);
  }
}

/** Shows the further figures of all wires or of none, so that they can be compared. */
function openAllDetails(open: boolean) {
  for (const details of document.querySelectorAll<HTMLDetailsElement>('.panel details')) {
    details.open = open;
  }
}
