// Starts programs so that none of them outlives its test, and says which one is missing.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

const running = new Set();
process.on('exit', () => {
  for (const child of running) {
    console.error(
      `${child.spawnfile} (${child.pid}) is still running at the end of its tests: stop it in each of them`,
    );
    process.exitCode = 1;
    signal(child, 'SIGKILL');
  }
});

/** The path of `program`; a failure, not a skip, when this machine lacks it. */
export function need(program, hint = 'run make setup') {
  const candidates = isAbsolute(program)
    ? [program]
    : process.env.PATH.split(delimiter).map((folder) => join(folder, program));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      /* the next folder may have it */
    }
  }
  throw new Error(`${program} is missing: ${hint}`);
}

/** A running program that collects what it prints; `exited` resolves with its code or signal. */
export function start(program, args = [], { env = {}, hint, ...options } = {}) {
  const child = spawn(need(program, hint), args, { env: { ...process.env, ...env }, ...options });
  running.add(child);
  child.group = options.detached;
  child.output = '';
  child.errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    child.output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    child.errors += text;
  });
  child.exited = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    });
  });
  return child;
}

/** Runs a program to its end. */
export async function run(program, args, options) {
  const child = start(program, args, options);
  child.stdin?.end(options?.input);
  return { code: await child.exited, output: child.output, errors: child.errors };
}

/** Signals a program; one that was started `detached` together with its own children, as a terminal does on Ctrl-C. */
export function signal(child, name) {
  if (!running.has(child)) return;
  if (child.group) process.kill(-child.pid, name);
  else child.kill(name);
}

/** Ends a program, also one that does not listen; resolves with its code or signal. */
export async function stop(child, name = 'SIGTERM') {
  signal(child, name);
  const patience = setTimeout(() => signal(child, 'SIGKILL'), 15_000);
  const code = await child.exited;
  clearTimeout(patience);
  return code;
}
