// Power failures under the program, on LazyFS (https://github.com/dsrhaslab/lazyfs), a file system that forgets what was not synced:
// LAZYFS names its binary. With `always` nothing is lost that was acknowledged or heard; with an interval each client is told a gap where
// something was; and no id has two contents.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, signal, start } from './child.mjs';
import { program, startGateway } from './gateway.mjs';
import { Ledger, seq } from './ledger.mjs';
import { freePort } from './port.mjs';
import { clientsNamed } from './readers/clients.mjs';
import { until } from './wait.mjs';

const FAILURES = Number(process.env.POWER_FAILURES ?? 25);

/** Mounts LazyFS; returns where, and how its power fails. */
async function mountLazyfs(t) {
  assert.ok(process.env.LAZYFS, 'LAZYFS names the binary of LazyFS');
  const folder = await mkdtemp(join(tmpdir(), 'power-'));
  const [disk, root, orders, done, config] = ['disk', 'root', 'orders', 'done', 'config.toml'].map(
    (name) => join(folder, name),
  );
  await Promise.all([mkdir(disk), mkdir(root, { mode: 0o700 })]);
  assert.equal((await run('mkfifo', [orders, done])).code, 0);
  const faults = `[faults]\nfifo_path="${orders}"\nfifo_path_completed="${done}"\n`;
  const cache =
    '[cache]\napply_eviction=false\n[cache.simple]\ncustom_size="1gb"\nblocks_per_page=1\n';
  await writeFile(config, `${faults}${cache}[filesystem]\nlog_all_operations=false\nlogfile=""\n`);
  const before = (await stat(disk)).dev;
  const options = ['-o', 'noforget', '-o', 'modules=subdir', '-o', `subdir=${root}`, '-f'];
  const lazyfs = start(process.env.LAZYFS, [disk, '--config-path', config, ...options]);
  t.after(async () => {
    await run('umount', ['-l', disk]);
    signal(lazyfs, 'SIGKILL');
    await lazyfs.exited;
    await rm(folder, { recursive: true });
  });
  await until(
    async () => (await stat(disk)).dev !== before,
    () => `LazyFS: ${lazyfs.errors}`,
  );
  const answers = createReadStream(done, 'utf8');
  return {
    folder,
    path: join(disk, 'log'),
    async lose() {
      const finished = once(answers, 'data');
      await writeFile(orders, 'lazyfs::clear-cache\n');
      assert.match((await finished)[0], /finished::clear-cache/);
    },
  };
}

for (const fsync of ['always', '100ms'])
  test(`what a power failure takes is told (${fsync})`, {
    timeout: 120_000 + FAILURES * 20_000,
  }, async (t) => {
    const lazyfs = await mountLazyfs(t);
    const port = await freePort();
    const settings = {
      bind: `127.0.0.1:${port}`,
      'log.path': lazyfs.path,
      'log.fsync': fsync,
      'stream.retry': '200ms',
      'history.messages': '100',
    };
    let boots = 0;
    // A machine that has lost its power has another boot.
    const boot = async () => {
      boots += 1;
      const file = join(lazyfs.folder, 'boot');
      await writeFile(file, `boot-${boots}\n`);
      const bind = `mount --bind ${file} /proc/sys/kernel/random/boot_id && exec "$0"`;
      return startGateway(settings, { under: ['unshare', '-rm', 'sh', '-c', bind] });
    };
    let gateway = await boot();
    const clients = [];
    const opened = [];
    t.after(async () => {
      await Promise.all(opened.map((reader) => reader.close()));
      await gateway.kill();
    });
    const open = async (suffix, from) => {
      for (const { name, path, open } of clientsNamed('curl, SSE', 'curl, chunked', 'npm ws')) {
        const ledger = new Ledger(name + suffix);
        clients.push(ledger);
        opened.push(await open(`${gateway.url}/${path}/a?${from}`, ledger));
      }
    };
    const hear = (what) =>
      Promise.all(
        clients.map((ledger) =>
          until(
            () => ledger.newest === what,
            () => `${what} on ${ledger.name}: ${ledger.newest}`,
            { timeout: 60_000 },
          ),
        ),
      );
    const { id: first } = await gateway.publish('a', 'first');
    await open('', 'since=earliest');
    await hear('first');

    /** The data of each id that anybody was told of. */
    const promised = new Map();
    const promise = (id, data, who) => {
      assert.equal(promised.get(id) ?? data, data, `${id} names two messages, says ${who}`);
      promised.set(id, data);
    };
    let [sent, acknowledged, over] = [0, 0, false];
    const publish = async () => {
      while (!over) {
        sent += 1;
        const data = `m${sent}`;
        const answer = await gateway.publish('a', data).catch(() => null);
        if (answer) promise(answer.id, data, 'a publisher');
        acknowledged += answer ? 1 : 0;
        if (!answer) await sleep(20);
      }
    };
    const publishers = Array.from({ length: 8 }, publish);
    for (let failure = 0; failure < FAILURES; failure += 1) {
      await sleep(200 + Math.random() * 500);
      await gateway.kill();
      await lazyfs.lose();
      gateway = await boot();
    }
    over = true;
    await Promise.all(publishers);
    // These have heard nothing of it yet.
    await open(', late', `last_event_id=${first}`);
    await gateway.publish('a', 'last');
    await hear('last');

    for (const { name, messages } of clients)
      for (const { id, data } of messages) promise(id, data, name);
    promised.delete(first);
    const counts = [];
    for (const ledger of clients) {
      const { name } = ledger;
      assert.deepEqual(ledger.problems, [], name);
      const gaps = ledger.control.filter(({ event }) => event === 'tricast.gap');
      const heard = new Set(ledger.ids);
      const missing = [...promised.keys()].filter((id) => !heard.has(id));
      if (fsync === 'always') assert.deepEqual(missing, [], `${name}: nothing is lost`);
      const told = (id) => gaps.some(({ first, last }) => first <= seq(id) && seq(id) <= last);
      const silent = missing.filter((id) => !told(id));
      assert.deepEqual(silent, [], `${name}: nothing is lost in silence`);
      counts.push(`${name}: ${missing.length} missing, ${gaps.length} gaps`);
    }
    t.diagnostic(
      `${FAILURES} power failures, ${acknowledged} of ${sent} acknowledged; ${counts.join('; ')}`,
    );
    assert.ok(acknowledged > FAILURES, program);
  });
