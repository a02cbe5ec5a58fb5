import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Answers, textOfAnswer } from './answers.ts';
import type { Message } from './document.ts';

const message = (seq: number, name: string, data: unknown): Message => ({
  id: `e-${seq}`,
  channel: 'a',
  event: `tricast.llm.${name}`,
  data,
  time: 0,
});
const start = (seq: number, run = 'r1') => message(seq, 'start', { run, model: 'm', time: 0 });
const delta = (seq: number, at: number, content: string, run = 'r1') =>
  message(seq, 'delta', { run, choices: [{ index: 0, at, delta: { content } }] });
const snapshot = (seq: number, content: string, run = 'r1') => {
  const choices = [{ index: 0, message: { role: 'assistant', content }, at: content.length }];
  return message(seq, 'snapshot', { runs: [{ run, model: 'm', choices }] });
};
const end = (seq: number, content: string, status = 'complete', more = {}) => {
  const choices = [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }];
  return message(seq, 'end', { run: 'r1', status, choices, ...more });
};

function fold(...messages: Message[]): Answers {
  const answers = new Answers();
  for (const one of messages) answers.receive(one);
  return answers;
}
function only(answers: Answers) {
  const [answer, ...more] = answers.list;
  assert.ok(answer);
  assert.deepEqual(more, []);
  return { ...answer, text: textOfAnswer(answer) };
}

test('deltas append, and the end replaces', { timeout: 60_000 }, () => {
  const begun = [start(1), delta(2, 0, 'Hel'), delta(3, 3, 'lo')];
  const open = only(fold(...begun));
  assert.deepEqual([open.text, open.status, open.whole, open.deltas], ['Hello', 'open', true, 2]);
  const ended = only(fold(...begun, end(4, 'Hello!')));
  assert.deepEqual([ended.text, ended.status, ended.model], ['Hello!', 'complete', 'm']);
});

test('a message that comes again counts once', { timeout: 60_000 }, () => {
  const answers = fold(start(1), delta(2, 0, 'Hel'), delta(3, 3, 'lo'));
  assert.deepEqual(answers.receive(delta(2, 0, 'Hel')), []);
  assert.deepEqual(answers.receive(start(1)), []);
  assert.equal(only(answers).text, 'Hello');
});

test('a snapshot replaces, also at the id of the message before it', { timeout: 60_000 }, () => {
  const answers = fold(start(1), delta(2, 0, 'Hel'), snapshot(2, 'Hel'), snapshot(9, 'Hello wor'));
  answers.receive(delta(10, 9, 'ld'));
  const { text, whole } = only(answers);
  assert.deepEqual([text, whole], ['Hello world', true]);
});

test('a reader without the start takes the snapshot for one', { timeout: 60_000 }, () => {
  const { text, model, status } = only(fold(snapshot(9, 'Hello'), delta(10, 5, '!')));
  assert.deepEqual([text, model, status], ['Hello!', 'm', 'open']);
});

test('a missed piece is known until something replaces it', { timeout: 60_000 }, () => {
  const answers = fold(start(1), delta(2, 0, 'Hel'), delta(4, 5, ' wor'));
  assert.equal(only(answers).whole, false);
  answers.receive(delta(5, 9, 'ld'));
  assert.equal(only(answers).whole, false);
  answers.receive(end(6, 'Hello world'));
  assert.deepEqual([only(answers).whole, only(answers).text], [true, 'Hello world']);
});

test('places are bytes of UTF-8, and a surrogate pair may come in halves', {
  timeout: 60_000,
}, () => {
  const answers = fold(delta(1, 0, 'é日'), delta(2, 5, '\ud83c'), delta(3, 5, '\udf89'));
  for (const one of [delta(4, 9, '\ud83c'), delta(5, 9, '.'), delta(6, 13, '')])
    answers.receive(one);
  assert.deepEqual([only(answers).text, only(answers).whole], ['é日🎉\ud83c.', true]);
});

test('runs in one channel, and choices of one run, are kept apart', { timeout: 60_000 }, () => {
  const answers = fold(start(1), start(2, 'r2'), delta(3, 0, 'one'), delta(4, 0, 'two', 'r2'));
  const choices = [
    { index: 1, at: 0, delta: { content: 'second' } },
    { index: 0, at: 3, delta: { content: '!' } },
  ];
  answers.receive(message(5, 'delta', { run: 'r1', choices }));
  assert.deepEqual(answers.list.map(textOfAnswer), ['one!\n\nsecond', 'two']);
});

test('the pieces of a tool call are joined', { timeout: 60_000 }, () => {
  const call = (seq: number, piece: object) => {
    const part = { content: null, tool_calls: [{ index: 0, function: piece }] };
    return message(seq, 'delta', { run: 'r1', choices: [{ index: 0, at: 0, delta: part }] });
  };
  const answers = fold(
    call(1, { name: 'add', arguments: '' }),
    call(2, { arguments: '{"a"' }),
    call(3, { arguments: ':1}' }),
  );
  assert.equal(only(answers).text, 'add({"a":1})');
});

test('a failure keeps the text so far, and says why', { timeout: 60_000 }, () => {
  const error = { type: 'upstream_error', code: 'cut', message: 'the upstream was cut' };
  const failed = only(fold(start(1), delta(2, 0, 'Hel'), end(3, 'Hel', 'error', { error })));
  assert.deepEqual(
    [failed.status, failed.problem, failed.text],
    ['error', 'the upstream was cut', 'Hel'],
  );
  const stopped = only(fold(start(1), end(2, '', 'cancelled', { by: 'orphan' })));
  assert.deepEqual([stopped.status, stopped.by], ['cancelled', 'orphan']);
});

test('what was saved goes on where it was', { timeout: 60_000 }, () => {
  const before = fold(start(1), delta(2, 0, 'Hel'));
  const after = new Answers(JSON.parse(JSON.stringify(before.saved)));
  for (const one of [delta(2, 0, 'Hel'), delta(3, 3, 'lo')]) after.receive(one);
  assert.deepEqual([only(after).text, only(after).whole], ['Hello', true]);
});

test('cut at any place and resumed by a snapshot, the text is the same', {
  timeout: 60_000,
}, () => {
  const pieces = ['Hel', 'lo ', 'wör', '', 'ld'];
  const at = (n: number) => new TextEncoder().encode(pieces.slice(0, n).join('')).length;
  const deltas = pieces.map((piece, n) => delta(n + 2, at(n), piece));
  const text = pieces.join('');
  for (let cut = 0; cut <= deltas.length; cut += 1) {
    for (let back = cut; back <= deltas.length; back += 1) {
      const base = snapshot(back + 1, pieces.slice(0, back).join(''));
      const missed = back > cut ? [base] : [];
      const answers = fold(start(1), ...deltas.slice(0, cut), ...missed, ...deltas.slice(back));
      assert.deepEqual([only(answers).text, only(answers).whole], [text, true], `${cut} ${back}`);
    }
  }
});

test('only the newest answers are kept', { timeout: 60_000 }, () => {
  const answers = fold(...Array.from({ length: 12 }, (_, n) => start(n, `r${n}`)));
  assert.deepEqual(answers.list.map(({ run }) => run).slice(0, 2), ['r2', 'r3']);
});
