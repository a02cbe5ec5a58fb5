import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer, AnswerStatus } from '../client/answers.ts';
import { agreementOf } from './agreement.ts';

const answer = (run: string, content: string, status: AnswerStatus = 'complete'): Answer => {
  const choice = { index: 0, content, reasoning: '', refusal: '', toolCalls: [], bytes: 0 };
  const rest = { whole: true, deltas: 0, problem: '', by: '' };
  return { run, model: 'm', status, choices: [choice], ...rest };
};
const verdict = (...wires: Answer[][]) => agreementOf(wires).verdict;

test('answers are compared once they have ended on every wire', { timeout: 60_000 }, () => {
  const hello = answer('r1', 'hello');
  assert.deepEqual(agreementOf([[hello], [hello], [hello]]), { verdict: 'same', count: 5 });
  assert.equal(verdict([hello], [hello], [answer('r1', 'hell')]), 'different');
  assert.equal(verdict([hello], [hello], [answer('r1', 'hello', 'cancelled')]), 'different');
  assert.equal(verdict([hello], [hello], [answer('r1', 'hell', 'open')]), 'unknown');
  assert.equal(verdict([hello], [hello], []), 'unknown');
  assert.equal(verdict([], [], []), 'unknown');
});

test('the newest answer counts', { timeout: 60_000 }, () => {
  const [first, second] = [answer('r1', 'a'), answer('r2', 'b', 'open')];
  assert.equal(verdict([first, second], [first, second], [first, second]), 'unknown');
  assert.equal(verdict([first], [first, second], [first, second]), 'same');
});
