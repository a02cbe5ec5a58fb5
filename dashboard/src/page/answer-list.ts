// The answers that one wire has delivered, the newest first.

import { type Answer, Answers, type SavedAnswers, textOfAnswer } from '../client/answers.ts';
import type { Message, WireName } from '../client/index.ts';
import { number, t, tIfKnown } from '../text/index.ts';
import { NAMES } from '../text/wires.ts';
import { element, setText, within } from './dom.ts';

/** Milliseconds over which changes are collected before they are drawn. */
const DRAW_DELAY_MS = 80;

export class AnswerList {
  readonly root: HTMLElement;
  readonly #list: HTMLElement;
  readonly #changed = new Set<string>();
  #answers = new Answers();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Where the list was scrolled to, to have the newest text in sight. */
  #followedTo = 0;

  constructor(readonly wire: WireName) {
    this.#list = element('ol', 'answers');
    this.#list.tabIndex = 0;
    this.#list.setAttribute('aria-label', t('Answers over {wire}', { wire: NAMES[wire] }));
    this.#list.dataset.empty = t('Nobody has asked anything yet.');
    this.root = element('section', wire, element('h3', '', NAMES[wire]), this.#list);
  }

  /** The answers, the oldest first. */
  get all(): Answer[] {
    return this.#answers.list;
  }

  get saved(): SavedAnswers {
    return this.#answers.saved;
  }

  /** Shows the answers of another channel, as far as they are known. */
  reset(saved: SavedAnswers | undefined): void {
    this.#answers = new Answers(saved);
    this.#changed.clear();
    this.#list.replaceChildren();
    for (const answer of this.all) this.#draw(answer);
  }

  /** Takes a message of the wire; returns whether it has changed an answer. */
  receive(message: Message): boolean {
    const changed = this.#answers.receive(message);
    for (const { run } of changed) this.#changed.add(run);
    if (changed.length) this.#timer ??= setTimeout(() => this.#drawChanged(), DRAW_DELAY_MS);
    return changed.length > 0;
  }

  #drawChanged() {
    this.#timer = undefined;
    for (const answer of this.all) if (this.#changed.has(answer.run)) this.#draw(answer);
    this.#changed.clear();
    const known = new Set(this.all.map(({ run }) => run));
    for (const row of [...this.#list.children] as HTMLElement[]) {
      if (!known.has(row.dataset.run ?? '')) row.remove();
    }
  }

  #draw(answer: Answer) {
    const row = this.#rowOf(answer.run);
    row.dataset.status = answer.status;
    setText(within(row, '.text'), textOfAnswer(answer));
    setText(within(row, '.sum'), describe(answer));
    if (row === this.#list.firstElementChild) this.#follow(row);
  }

  /** Keeps the end of the newest answer in sight, unless the visitor has scrolled away from it. */
  #follow(row: HTMLElement) {
    if (this.#list.scrollTop < this.#followedTo - 1) return;
    this.#list.scrollTop = row.offsetHeight - this.#list.clientHeight;
    this.#followedTo = this.#list.scrollTop;
  }

  #rowOf(run: string): HTMLElement {
    const rows = [...this.#list.children] as HTMLElement[];
    const known = rows.find(({ dataset }) => dataset.run === run);
    if (known) return known;
    const created = element('li', '', element('p', 'text'), element('p', 'sum'));
    created.dataset.run = run;
    created.title = run;
    this.#list.prepend(created);
    this.#followedTo = 0;
    this.#list.scrollTop = 0;
    return created;
  }
}

function openState(whole: boolean): string {
  return whole ? t('answering') : t('a piece is missing until the end');
}

function describe(answer: Answer): string {
  const { model, status, by, problem, whole, deltas } = answer;
  const state = status === 'open' ? openState(whole) : tIfKnown(status);
  const reason = [by, problem].filter(Boolean).map(tIfKnown).join(': ');
  const pieces = t('{count} characters in {deltas} pieces', {
    count: number(textOfAnswer(answer).length),
    deltas: number(deltas),
  });
  return [model, reason ? `${state} (${reason})` : state, pieces].filter(Boolean).join(' · ');
}
