// The form that asks a model, and its answer as each wire delivers it. It is there only if the
// gateway calls an upstream.

import type { SavedAnswers } from '../client/answers.ts';
import type { Message, WireName } from '../client/index.ts';
import { channel } from '../context/context.ts';
import { ask, cancel } from '../context/models.ts';
import { number, t } from '../text/index.ts';
import { WIRES } from '../text/wires.ts';
import { agreementOf } from './agreement.ts';
import { AnswerList } from './answer-list.ts';
import { byId, element, isBusy, setBusy, setText, within } from './dom.ts';

export class Ask {
  readonly #lists = {
    sse: new AnswerList('sse'),
    chunked: new AnswerList('chunked'),
    ws: new AnswerList('ws'),
  };
  readonly #stop = byId<HTMLButtonElement>('ask-stop');

  /** `cut` drops the streams of all wires. */
  constructor(cut: () => void) {
    byId('answers').append(...WIRES.map((wire) => this.#lists[wire].root));
    const question = byId<HTMLTextAreaElement>('question');
    const form = byId<HTMLFormElement>('ask');
    question.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(question.value);
    });
    this.#stop.addEventListener('click', () => void this.#cancel());
    byId('ask-cut').addEventListener('click', cut);
    byId('ask-reload').addEventListener('click', () => location.reload());
    this.#showOpen();
  }

  /** Whether there are models to ask. */
  get isShown(): boolean {
    return !byId('askbox').hidden;
  }

  show(): void {
    byId('askbox').hidden = false;
    within(document, '[data-goto=askbox]').hidden = false;
  }

  /** Offers the models with these names, if there is a choice. */
  offer(names: string[]): void {
    const select = byId<HTMLSelectElement>('model');
    select.replaceChildren(...names.map((name) => element('option', '', name)));
    select.hidden = names.length < 2;
  }

  /** Shows the answers of the channel of the page, as far as `saved` has some for a wire. */
  reset(saved: (wire: WireName) => SavedAnswers | undefined): void {
    for (const wire of WIRES) this.#lists[wire].reset(saved(wire));
    byId<HTMLAnchorElement>('ask-tab').href = `#${channel()}`;
    setText(byId('ask-outcome'), '');
    this.#showOpen();
  }

  /** What a page that is left keeps of a wire. */
  saved(wire: WireName): SavedAnswers {
    return this.#lists[wire].saved;
  }

  receive(message: Message, wire: WireName): void {
    if (message.channel === channel() && this.#lists[wire].receive(message)) this.#showOpen();
  }

  /** The run to stop: the newest that is open on any wire. */
  get #open(): string | null {
    const open = WIRES.flatMap((wire) =>
      this.#lists[wire].all.filter(({ status }) => status === 'open'),
    );
    return open.at(-1)?.run ?? null;
  }

  #showOpen() {
    setBusy(this.#stop, this.#open === null);
    const { verdict, count } = agreementOf(WIRES.map((wire) => this.#lists[wire].all));
    const line = byId('agreement');
    line.className = verdict === 'different' ? 'bad' : 'good';
    if (verdict === 'same') {
      const characters = { count: number(count) };
      setText(line, t('All three wires have the same answer: {count} characters.', characters));
    } else {
      setText(line, verdict === 'different' ? t('The wires have different answers.') : '');
    }
  }

  async #send(question: string) {
    const button = byId<HTMLButtonElement>('ask-send');
    if (isBusy(button) || !question.trim()) return;
    setBusy(button, true);
    const { run, detail } = await ask(byId<HTMLSelectElement>('model').value, question);
    setBusy(button, false);
    this.#report(run ? '' : (detail ?? t('the gateway could not be reached')));
    if (run) byId<HTMLTextAreaElement>('question').value = '';
  }

  async #cancel() {
    const run = this.#open;
    if (!run) return;
    const { detail } = await cancel(run);
    this.#report(detail ?? '');
  }

  #report(problem: string) {
    setText(byId('ask-outcome'), problem);
  }
}
