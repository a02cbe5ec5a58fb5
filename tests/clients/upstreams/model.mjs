// A real model as an upstream: llama.cpp's server with SmolLM2, on one thread, from packages of PyPI.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { start, stop } from '../child.mjs';
import { freePort } from '../port.mjs';
import { python } from '../readers/programs.mjs';
import { until } from '../wait.mjs';

const program = fileURLToPath(new URL('model.py', import.meta.url));

export async function startModel() {
  const port = await freePort();
  const child = start(python, ['-u', program, String(port)]);
  const url = `http://127.0.0.1:${port}/v1`;
  let code;
  child.exited.then((value) => {
    code = value;
  });
  await until(
    () => {
      if (code !== undefined) throw new Error(`the model ended with ${code}: ${child.errors}`);
      return child.output.includes('the model listens');
    },
    () => `the model to be loaded: ${child.errors}`,
    { timeout: 60_000, every: 100 },
  );
  const { data } = await (await fetch(`${url}/models`)).json();
  return {
    url,
    /** The name by which it knows its model, which is a path. */
    model: data[0].id,
    /** The log of llama.cpp. */
    log: () => child.errors,
    /** The time that its process has had on a processor, in ticks of 10 ms. */
    ticks() {
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
      const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
      return Number(user) + Number(system);
    },
    close: () => stop(child),
  };
}
