// Whether the wires have delivered the same answer, which they must once it has ended.

import { type Answer, textOfAnswer } from '../client/answers.ts';

export interface Agreement {
  /** `unknown` while an answer is open, or has not reached every wire. */
  verdict: 'same' | 'different' | 'unknown';
  /** The characters of the answer. */
  count: number;
}

const UNKNOWN: Agreement = { verdict: 'unknown', count: 0 };

/** Compares the newest answer of the first wire with what the other wires have of its run. */
export function agreementOf(wires: Answer[][]): Agreement {
  const newest = wires[0]?.at(-1);
  const found = wires.map((answers) => answers.find(({ run }) => run === newest?.run));
  const ended = found.filter((answer) => answer && answer.status !== 'open');
  if (!newest || ended.length < wires.length) return UNKNOWN;
  const texts = new Set(
    found.map((answer) => answer && `${answer.status} ${textOfAnswer(answer)}`),
  );
  const { length: count } = textOfAnswer(newest);
  return { verdict: texts.size === 1 ? 'same' : 'different', count };
}
