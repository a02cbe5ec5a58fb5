// The answers of models in a channel, as the messages of their runs add up: PROTOCOL.md on
// `tricast.llm.*`. An answer comes in pieces; its end carries the whole of it.

import { type Message, parseId } from './document.ts';

/** The names of the messages of runs; an EventSource has to subscribe to each. */
export const ANSWER_EVENTS = ['start', 'delta', 'snapshot', 'end'].map(
  (name) => `tricast.llm.${name}`,
);

/** How a run has ended, or that it has not. */
export type AnswerStatus = 'open' | 'complete' | 'cancelled' | 'error';

/** One of the answers to a prompt; most prompts get one. */
export interface Choice {
  index: number;
  content: string;
  reasoning: string;
  refusal: string;
  toolCalls: { index: number; name: string; arguments: string }[];
  /** The length of the content in UTF-8, without half of a surrogate pair at its end. */
  bytes: number;
}

export interface Answer {
  run: string;
  model: string;
  status: AnswerStatus;
  choices: Choice[];
  /** False after a piece was missed, until a snapshot or the end has replaced what is there. */
  whole: boolean;
  /** The deltas that have arrived. */
  deltas: number;
  /** Why the run has failed, in the words of the gateway. */
  problem: string;
  /** Who cancelled it: `user`, `client`, `backend`, `orphan` or `operator`. */
  by: string;
}

/** What a page keeps over a reload: the answers so far, and the id up to which they are folded. */
export interface SavedAnswers {
  last: string | null;
  answers: Answer[];
}

/** The gateway bounds an answer, and this bounds their number. */
const MAX_ANSWERS = 10;

interface ToolCallDelta {
  index?: number;
  function?: { name?: unknown; arguments?: unknown };
}

/** A part of a choice, or all of it: `delta` and `message` have the same members. */
interface Part {
  content?: unknown;
  reasoning?: unknown;
  reasoning_content?: unknown;
  refusal?: unknown;
  tool_calls?: ToolCallDelta[] | null;
}

interface RunData {
  run: string;
  model?: string;
  status?: AnswerStatus;
  choices?: { index: number; at?: number; delta?: Part; message?: Part }[];
  error?: { message?: string; type?: string };
  by?: string;
}

/** Folds the messages of one stream. A message that arrives again, as after a rewind, counts once. */
export class Answers {
  readonly #answers = new Map<string, Answer>();
  #last: string | null;

  constructor(saved: SavedAnswers = { last: null, answers: [] }) {
    this.#last = saved.last;
    for (const answer of saved.answers) this.#answers.set(answer.run, answer);
  }

  /** The answers, the oldest first. */
  get list(): Answer[] {
    return [...this.#answers.values()];
  }

  get saved(): SavedAnswers {
    return { last: this.#last, answers: this.list };
  }

  /** Takes a message; returns the answers that it has changed. */
  receive(message: Message): Answer[] {
    if (!ANSWER_EVENTS.includes(message.event) || !this.#isNew(message)) return [];
    this.#last = message.id;
    const kind = message.event.slice('tricast.llm.'.length);
    if (kind === 'snapshot') {
      const { runs } = message.data as { runs: RunData[] };
      return runs.map((run) => this.#replace(run));
    }
    const data = message.data as RunData;
    if (kind === 'delta') return [this.#append(data)];
    if (kind === 'end') return [this.#end(data)];
    return [this.#answerOf(data)];
  }

  /** A snapshot has the id of the last message that is in it, so it may repeat an id. */
  #isNew({ id, event }: Message): boolean {
    if (this.#last === null) return true;
    const [own, last] = [parseId(id), parseId(this.#last)];
    if (own.epoch !== last.epoch || own.seq > last.seq) return true;
    return own.seq === last.seq && event === 'tricast.llm.snapshot';
  }

  #answerOf({ run, model }: RunData): Answer {
    const known = this.#answers.get(run);
    if (known) {
      known.model ||= model ?? '';
      return known;
    }
    const created: Answer = {
      run,
      model: model ?? '',
      status: 'open',
      choices: [],
      whole: true,
      deltas: 0,
      problem: '',
      by: '',
    };
    this.#answers.set(run, created);
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break;
      this.#answers.delete(oldest);
    }
    return created;
  }

  #append(data: RunData): Answer {
    const answer = this.#answerOf(data);
    answer.deltas += 1;
    for (const { index, at, delta } of data.choices ?? []) {
      const choice = choiceOf(answer, index);
      if (at !== undefined && at !== choice.bytes) answer.whole = false;
      if (delta) appendPart(choice, delta);
    }
    return answer;
  }

  #replace(data: RunData): Answer {
    const answer = this.#answerOf(data);
    answer.choices = [];
    for (const { index, message } of data.choices ?? []) {
      const choice = choiceOf(answer, index);
      if (message) appendPart(choice, message);
    }
    answer.whole = true;
    return answer;
  }

  #end(data: RunData): Answer {
    const answer = this.#replace(data);
    answer.status = data.status ?? 'error';
    answer.problem = data.error?.message ?? data.error?.type ?? '';
    answer.by = data.by ?? '';
    return answer;
  }
}

/** What a reader reads of a choice: its content, or what stands in its place. */
function textOf(choice: Choice): string {
  const { content, refusal, reasoning, toolCalls } = choice;
  const calls = toolCalls.map((call) => `${call.name}(${call.arguments})`);
  return content || refusal || calls.join('\n') || reasoning;
}

/** The text of all choices of an answer. */
export function textOfAnswer({ choices }: Answer): string {
  return choices.map(textOf).join('\n\n');
}

function choiceOf(answer: Answer, index: number): Choice {
  const known = answer.choices.find((choice) => choice.index === index);
  if (known) return known;
  const texts = { content: '', reasoning: '', refusal: '' };
  const created: Choice = { index, ...texts, toolCalls: [], bytes: 0 };
  answer.choices.push(created);
  answer.choices.sort((one, other) => one.index - other.index);
  return created;
}

function appendPart(choice: Choice, part: Part) {
  appendContent(choice, textIn(part.content));
  choice.reasoning += textIn(part.reasoning_content) || textIn(part.reasoning);
  choice.refusal += textIn(part.refusal);
  for (const [position, call] of (part.tool_calls ?? []).entries()) {
    const known = toolCallOf(choice, call.index ?? position);
    known.name += textIn(call.function?.name);
    known.arguments += textIn(call.function?.arguments);
  }
}

function toolCallOf({ toolCalls }: Choice, index: number) {
  const known = toolCalls.find((call) => call.index === index);
  if (known) return known;
  const created = { index, name: '', arguments: '' };
  toolCalls.push(created);
  return created;
}

/** Upstreams send `null`, too, where they have no text. */
function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Half of a surrogate pair at the end of a text: it has no bytes until its other half comes. */
const HALF = /[\uD800-\uDBFF]$/;
const encoder = new TextEncoder();

function appendContent(choice: Choice, piece: string) {
  const fresh = (HALF.exec(choice.content.slice(-1))?.[0] ?? '') + piece;
  choice.content += piece;
  choice.bytes += encoder.encode(fresh.replace(HALF, '')).length;
}
