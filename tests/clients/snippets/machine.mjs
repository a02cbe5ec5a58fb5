// A machine for the snippets of one session: namespaces of its own, where 8080 and 9464 are free and nothing else is
// disturbed, with shells as a terminal has them. Its end takes everything with it that still runs.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { need, start, stop } from '../child.mjs';
import { program, repository } from '../gateway.mjs';
import { until } from '../wait.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = process.getuid() === 0;

export async function startMachine() {
  const folder = mkdtempSync(join(tmpdir(), 'tricast-snippets-'));
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const first = start(
    'unshare',
    [
      ...(root ? [] : ['--user', '--map-root-user']),
      ...namespaces,
      join(here, 'machine.sh'),
      folder,
    ],
    { hint: 'install util-linux' },
  );
  let over = false;
  first.exited.then(() => {
    over = true;
  });
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    await until(() => over || existsSync(join(folder, 'prepared')), 'the namespaces of a snippet', {
      timeout: 30_000,
    });
    if (over) {
      throw new Error(
        `snippets need namespaces of their own, and this machine does not let them: ${first.errors.trim()}\n` +
          'run the tests as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)',
      );
    }
  } catch (error) {
    await stop(first, 'SIGKILL');
    remove();
    throw error;
  }
  const work = checkout(folder);
  const env = environment(folder);
  const pid = child(first.pid);
  const shells = [];
  return {
    folder: work,
    async shell() {
      const shell = await startShell(pid, work, env);
      shells.push(shell);
      return shell;
    },
    /** Runs a command to its end, without a terminal. */
    run: (...command) =>
      execFileSync('nsenter', [...enter(pid), `--wd=${work}`, '--', ...command], {
        env,
        encoding: 'utf8',
      }),
    async close() {
      await stop(first, 'SIGKILL');
      for (const shell of shells) await shell.exited;
      remove();
    },
  };
}

const enter = (pid) => [
  '--target',
  String(pid),
  ...(root ? [] : ['--user', '--preserve-credentials']),
  '--net',
  '--mount',
  '--pid',
];

/** The process inside of the new PID namespace. */
function child(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

/** What a clone of the repository looks like, without its own `target`, and with room for what snippets write. */
function checkout(folder) {
  const work = join(folder, 'tricast');
  mkdirSync(work);
  for (const name of readdirSync(repository)) {
    if (name !== 'target' && name !== '.git') symlinkSync(join(repository, name), join(work, name));
  }
  for (const profile of ['debug', 'release']) {
    mkdirSync(join(work, 'target', profile), { recursive: true });
    symlinkSync(
      need(program, 'run make build, or name it in TRICAST_BIN'),
      join(work, 'target', profile, 'tricast'),
    );
  }
  return work;
}

function environment(folder) {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(program, join(bin, 'tricast'));
  symlinkSync(join(here, 'cargo'), join(bin, 'cargo'));
  const go = JSON.parse(
    execFileSync(need('go'), ['env', '-json', 'GOCACHE', 'GOMODCACHE'], { encoding: 'utf8' }),
  );
  const env = {
    ...process.env,
    ...go,
    TRICAST_BIN: program,
    HOME: join(folder, 'home'),
    TERM: 'dumb',
  };
  mkdirSync(env.HOME);
  for (const name of Object.keys(env))
    if (name.startsWith('TRICAST_') && name !== 'TRICAST_BIN') delete env[name];
  // The Python of the tests first: it has what `pip install` would install.
  env.PATH = [bin, join(repository, 'tests/clients/.venv/bin'), process.env.PATH].join(':');
  return env;
}

/** An interactive bash at a terminal, which is what `Ctrl-C` and `&` need to do what they do for a reader. */
async function startShell(pid, work, env) {
  const bash = 'bash --norc --noprofile --noediting -i';
  const terminal = start(
    'nsenter',
    [
      ...enter(pid),
      `--wd=${work}`,
      '--',
      'script',
      '--quiet',
      '--flush',
      '--command',
      bash,
      '/dev/null',
    ],
    { env, hint: 'install util-linux' },
  );
  let scripts = 0;
  const type = (line) => terminal.stdin.write(line);
  const output = () => terminal.output.replaceAll('\r', '');
  // In two parts, so that the echo of the command is not taken for its output.
  const done = (number) => `echo "@@do""ne ${number}"\n`;
  const shell = {
    exited: terminal.exited,
    output,
    has: (text) => output().slice(shell.from).includes(text),
    from: 0,
    /** Runs `text` as the lines of a script, so that what it reads from the terminal are not its own next lines. */
    begin(text) {
      scripts += 1;
      const file = join(env.HOME, `snippet-${pid}-${terminal.pid}-${scripts}.sh`);
      writeFileSync(file, `${text}\n`);
      shell.from = output().length;
      type(`. ${file}; ${done(scripts)}`);
    },
    ended: () => output().includes(`@@done ${scripts}\n`),
    failed: () =>
      output()
        .slice(shell.from)
        .match(/@@failed .*/)?.[0],
    /** Ctrl-C, and the prompt is back. */
    async interrupt() {
      if (shell.ended()) return;
      const failed = shell.failed();
      if (failed) throw new Error(`${failed}:\n${shell.text()}`);
      type('\x03');
      // Asked again and again, because a program that is being stopped may still take what is typed.
      await until(
        () => type(done(scripts)) && shell.ended(),
        () => `Ctrl-C to end it: ${shell.text()}`,
        { timeout: 20_000, every: 200 },
      );
    },
    text: () => output().slice(shell.from),
  };
  type('stty -echo\n');
  type('PS1= PS2=; set +o history; set -E -o pipefail\n');
  type(`trap 'echo "@@failed $?: $BASH_COMMAND"' ERR\n`);
  type(done(0));
  await until(
    () => output().includes('@@done 0\n'),
    () => `a shell: ${output()}${terminal.errors}`,
  );
  return shell;
}
