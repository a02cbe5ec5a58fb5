// A gateway with a development server in front of it, in the configuration of docs/development-servers.md.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, start, stop } from '../child.mjs';
import { repository, startGateway } from '../gateway.mjs';
import { freePort } from '../port.mjs';
import { fences } from '../snippets/fences.mjs';
import { until } from '../wait.mjs';

const files = new Map(
  fences(join(repository, 'docs/development-servers.md'))
    .filter(({ file }) => file)
    .map(({ file, text }) => [file, text]),
);

/** The file of that name in the document. */
export function documented(name) {
  const text = files.get(name);
  if (!text) throw new Error(`docs/development-servers.md has no <!-- file: ${name} -->`);
  return text;
}

/**
 * `server` is one of servers.mjs; `packages` is the folder whose `node_modules` it finds.
 * The document's text is taken word for word but for its ports.
 */
export async function startDevelopment(server, packages, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tricast-development-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  let gateway = await startGateway(settings);
  let child;
  const close = async () => {
    try {
      await gateway.stop();
    } finally {
      if (child) await stop(child);
      remove();
    }
  };
  try {
    const { host } = new URL(gateway.url);
    const port = await freePort();
    symlinkSync(join(packages, 'node_modules'), join(folder, 'node_modules'));
    const text = server.change?.(documented(server.file)) ?? documented(server.file);
    if (!text.includes("'http://127.0.0.1:8080"))
      throw new Error(`${server.file} does not name the gateway`);
    write(folder, { 'package.json': '{"private":true}', ...server.files });
    write(folder, {
      [server.file]: text.replaceAll('127.0.0.1:8080', host).replaceAll('3000', String(port)),
    });
    for (const [program, ...args] of server.before ?? []) {
      const { code, output, errors } = await run(program, args, { cwd: folder, env: server.env });
      if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${output}${errors}`);
    }
    const [program, ...args] = server.command(port);
    // A group of its own: some of these start others.
    child = start(program, args, { cwd: folder, env: server.env, detached: true });
    let over = false;
    child.exited.then(() => {
      over = true;
    });
    const url = `http://127.0.0.1:${port}`;
    const said = () => `${server.name} to answer; it says: ${child.output}${child.errors}`;
    const ready = () =>
      fetch(`${url}/channels`).then(
        (response) => response.ok,
        () => false,
      );
    await until(async () => over || ready(), said, { timeout: 60_000 });
    if (over) throw new Error(`${server.name} ended at its start: ${child.output}${child.errors}`);
    return {
      url,
      close,
      get gateway() {
        return gateway;
      },
      leave: () => gateway.stop(),
      async back() {
        gateway = await startGateway({ ...settings, bind: host });
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function write(folder, texts) {
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
