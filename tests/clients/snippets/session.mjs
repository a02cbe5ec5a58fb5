// Runs the shell snippets of one document in order, as its reader would type them.
import assert from 'node:assert/strict';
import { until } from '../wait.mjs';
import { startMachine } from './machine.mjs';

const patience = { timeout: 60_000 };

/** A session is a fence that begins on a fresh machine, and those that go on there. */
export function sessions(fences) {
  const list = [];
  for (const fence of fences) {
    const { where } = fence.directive;
    if (where === 'same shell' || where === 'new shell') {
      assert.ok(
        list.length,
        `line ${fence.line}: there is no fence before it, whose machine it could use`,
      );
      list.at(-1).push(fence);
    } else {
      list.push([fence]);
    }
  }
  return list;
}

export async function runSession(fences) {
  const machine = await startMachine();
  try {
    if (fences[0].directive.where === 'gateway') {
      const gateway = await machine.shell();
      gateway.begin('tricast');
      await wait(gateway, 'tricast listening on', 'a gateway for the snippets');
    }
    const running = [];
    let shell;
    for (const fence of fences) {
      if (fence.directive.where !== 'same shell') shell = await machine.shell();
      await runFence(shell, fence);
      if (fence.directive.ready !== null) running.push([shell, fence]);
    }
    for (const [each, { line, directive }] of running) {
      if (directive.until) await wait(each, directive.until, `line ${line}`);
      await each.interrupt();
    }
  } finally {
    await machine.close();
  }
}

async function runFence(shell, { text, line, directive }) {
  const what = `line ${line}`;
  shell.begin(text);
  if (directive.ready !== null) {
    if (directive.ready) await wait(shell, directive.ready, what);
  } else if (directive.until) {
    await wait(shell, directive.until, what);
    await shell.interrupt();
  } else {
    await until(
      () => shell.ended(),
      () => `${what} to end: ${shell.text()}`,
      { timeout: 300_000 },
    );
    assert.equal(shell.failed(), undefined, `${what}:\n${shell.text()}`);
  }
  for (const expected of directive.expect)
    assert.ok(shell.has(expected), `${what}: no ${expected} in\n${shell.text()}`);
}

async function wait(shell, text, what) {
  await until(
    () => {
      if (shell.has(text)) return true;
      const failed = shell.failed();
      if (failed) throw new Error(`${what}: ${failed}\n${shell.text()}`);
      return false;
    },
    () => `${what} to print ${text}: ${shell.text()}`,
    patience,
  );
}
