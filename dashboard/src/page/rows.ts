// A wire's list of messages and notices, newest first. Many that come at once are drawn at once.

import { type Message, parseId } from '../client/index.js';
import { spelled } from '../context/context.js';
import { language } from '../text/index.js';
import { element } from './dom.js';

/** So many of each are kept: a notice does not go under in a flood of messages. */
const MESSAGES = 100;
const NOTICES = 20;
/** Milliseconds between two drawings: more often nobody can read. */
const PAUSE = 80;

type Line = { message: Message } | { notice: string; tone: string };

export class Rows {
  #list: HTMLElement;
  #waiting: Line[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `chosen` hears which message somebody wants to look at. */
  constructor(
    list: HTMLElement,
    readonly chosen: (id: string) => void,
  ) {
    this.#list = list;
    list.addEventListener('keydown', (event) => this.#walk(event));
  }

  message(message: Message): void {
    this.#add({ message });
  }

  notice(notice: string, tone = ''): void {
    this.#add({ notice, tone });
  }

  clear(): void {
    this.#waiting = [];
    this.#list.replaceChildren();
  }

  /** Takes back what came after `id`. */
  rewind(id: string): void {
    this.#draw();
    for (const row of this.#list.querySelectorAll<HTMLElement>('.message')) {
      const own = parseId(row.dataset['id'] ?? '');
      if (own.epoch === parseId(id).epoch && own.seq > parseId(id).seq) row.remove();
    }
  }

  #add(line: Line) {
    this.#waiting.push(line);
    if (this.#waiting.length > 2 * MESSAGES) this.#waiting = newest(this.#waiting);
    this.#timer ??= setTimeout(() => this.#draw(), PAUSE);
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#waiting.length) return;
    this.#list.prepend(
      ...newest(this.#waiting)
        .reverse()
        .map((line) => this.#row(line)),
    );
    this.#waiting = [];
    this.#trim('.message', MESSAGES);
    this.#trim('.notice', NOTICES);
  }

  #trim(kind: string, most: number) {
    for (const row of [...this.#list.querySelectorAll(kind)].slice(most)) {
      if (row === document.activeElement) this.#list.focus();
      row.remove();
    }
  }

  #row(line: Line): HTMLElement {
    if ('notice' in line) return element('li', `notice ${line.tone}`, line.notice);
    const { message } = line;
    const tags = [
      message.event !== 'message' && message.event,
      message.encoding,
      message.end && 'end',
    ];
    const row = element(
      'li',
      'message',
      element('span', 'seq', String(parseId(message.id).seq)),
      ...tags.filter((tag) => typeof tag === 'string').map((tag) => element('span', 'tag', tag)),
      element('span', 'data', spelled(message)),
      element('time', '', new Date(message.time).toLocaleTimeString(language, { hour12: false })),
    );
    row.dataset['id'] = row.title = message.id;
    row.tabIndex = -1;
    row.addEventListener('click', () => this.chosen(message.id));
    return row;
  }

  /** With the keys: up and down through the messages, and Enter to look at one. */
  #walk(event: KeyboardEvent) {
    const rows = [...this.#list.querySelectorAll<HTMLElement>('.message')];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) rows[Math.max(0, Math.min(rows.length - 1, at + step))]?.focus();
    else if (event.key === 'Enter') (rows[at] ?? rows[0])?.click();
    else return;
    event.preventDefault();
  }
}

/** The last of each kind, in their order. */
function newest(lines: Line[]): Line[] {
  const notices = lines.filter((line) => 'notice' in line).slice(-NOTICES);
  const messages = lines.filter((line) => 'message' in line).slice(-MESSAGES);
  const kept = new Set<Line>([...notices, ...messages]);
  return lines.filter((line) => kept.has(line));
}
