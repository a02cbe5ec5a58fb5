// The list of messages and notices of a panel, newest first.

import { type Message, parseId } from '../client/index.ts';
import { channel as pageChannel } from '../context/context.ts';
import { language, t } from '../text/index.ts';
import { element } from './dom.ts';

/** Messages and notices are limited apart: many messages do not push out a notice. */
const MAX_MESSAGES = 100;
const MAX_NOTICES = 20;
/** Milliseconds over which new entries are collected before they are drawn. */
const DRAW_DELAY_MS = 80;

/** What identifies a message to the gateway. */
export type MessageRef = Pick<Message, 'id' | 'channel'>;

type Entry = { message: Message } | { notice: string; tone: string };

export class MessageList {
  readonly #list: HTMLElement;
  readonly #onSelect: (message: MessageRef) => void;
  #pending: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onSelect` receives a message that the user selects. */
  constructor(list: HTMLElement, onSelect: (message: MessageRef) => void) {
    this.#list = list;
    this.#onSelect = onSelect;
    list.addEventListener('keydown', (event) => this.#navigate(event));
  }

  message(message: Message): void {
    this.#add({ message });
  }

  notice(notice: string, tone: string): void {
    this.#add({ notice, tone });
  }

  clear(): void {
    this.#pending = [];
    this.#list.replaceChildren();
  }

  /** Removes the messages after `id`. */
  rewind(id: string): void {
    this.#draw();
    const { epoch, seq } = parseId(id);
    for (const row of this.#list.querySelectorAll<HTMLElement>('.message')) {
      const own = parseId(row.dataset.id ?? '');
      if (own.epoch === epoch && own.seq > seq) row.remove();
    }
  }

  #add(entry: Entry) {
    this.#pending.push(entry);
    if (this.#pending.length > 2 * MAX_MESSAGES) this.#pending = newest(this.#pending);
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_DELAY_MS);
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#pending.length) return;
    const entries = withoutOldPieces(newest(this.#pending));
    this.#removePieces(entries);
    const rows = entries.map((entry) => this.#row(entry));
    this.#list.prepend(...rows.reverse());
    this.#pending = [];
    this.#trim('.message', MAX_MESSAGES);
    this.#trim('.notice', MAX_NOTICES);
  }

  /** Removes the pieces of the answers that have newer ones among the entries. */
  #removePieces(entries: Entry[]) {
    for (const run of entries.map(runOfPiece)) {
      if (run === null) continue;
      for (const row of this.#list.querySelectorAll<HTMLElement>('[data-run]')) {
        if (row.dataset.run === run && row !== document.activeElement) row.remove();
      }
    }
  }

  #trim(selector: string, max: number) {
    for (const row of [...this.#list.querySelectorAll(selector)].slice(max)) {
      if (row === document.activeElement) this.#list.focus();
      row.remove();
    }
  }

  #row(entry: Entry): HTMLElement {
    if ('notice' in entry) return element('li', `notice ${entry.tone}`, entry.notice);
    const { message } = entry;
    const time = new Date(message.time).toLocaleTimeString(language, { hour12: false });
    const row = element(
      'li',
      'message',
      element('span', 'seq', String(parseId(message.id).seq)),
      ...tagsOf(message).map((tag) => element('span', 'tag', tag)),
      element('span', 'data', dataText(message)),
      element('time', '', time),
    );
    row.dataset.id = message.id;
    row.title = message.id;
    const run = runOfPiece(entry);
    if (run !== null) row.dataset.run = run;
    row.tabIndex = -1;
    const { id, channel } = message;
    row.addEventListener('click', () => this.#onSelect({ id, channel }));
    return row;
  }

  /** Moves through the messages with the arrow keys and selects one with Enter. */
  #navigate(event: KeyboardEvent) {
    const rows = [...this.#list.querySelectorAll<HTMLElement>('.message')];
    const current = rows.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) rows[Math.max(0, Math.min(rows.length - 1, current + step))]?.focus();
    else if (event.key === 'Enter') (rows[current] ?? rows[0])?.click();
    else return;
    event.preventDefault();
  }
}

function tagsOf({ channel, event, encoding, end }: Message): string[] {
  const tags = [
    channel !== pageChannel() && t('clock'),
    event !== 'message' && event,
    encoding,
    end && 'end',
  ];
  return tags.filter((tag) => typeof tag === 'string');
}

/** Returns the data of a message in one line. */
function dataText({ data }: Message): string {
  return typeof data === 'string' ? data : JSON.stringify(data, null, 1).replace(/\n\s*/g, ' ');
}

/** The run of a piece of an answer; `null` for everything else. */
function runOfPiece(entry: Entry): string | null {
  if ('notice' in entry || entry.message.event !== 'tricast.llm.delta') return null;
  return String((entry.message.data as { run: string }).run);
}

/** Leaves the newest piece of each answer, because an answer has more of them than the list has rows. */
function withoutOldPieces(entries: Entry[]): Entry[] {
  const newestOf = new Map(entries.map((entry) => [runOfPiece(entry), entry]));
  return entries.filter((entry) => {
    const run = runOfPiece(entry);
    return run === null || newestOf.get(run) === entry;
  });
}

/** Returns the newest entries of each kind in their order. */
function newest(entries: Entry[]): Entry[] {
  const notices = entries.filter((entry) => 'notice' in entry).slice(-MAX_NOTICES);
  const messages = entries.filter((entry) => 'message' in entry).slice(-MAX_MESSAGES);
  const kept = new Set<Entry>([...notices, ...messages]);
  return entries.filter((entry) => kept.has(entry));
}
