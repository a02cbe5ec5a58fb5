// PyPI's llmock as an upstream that grades its client: it fails as it is told to, and says what the client made of it.
import { fileURLToPath } from 'node:url';
import { start, stop } from '../child.mjs';
import { freePort } from '../port.mjs';
import { python } from '../readers/programs.mjs';
import { until } from '../wait.mjs';

const program = fileURLToPath(new URL('../.venv/bin/llmock', import.meta.url));

export async function startLlmock(options = []) {
  const port = await freePort();
  const args = ['serve', '-p', String(port), '--host', '127.0.0.1', ...options];
  const child = start(python, [program, ...args]);
  const url = `http://127.0.0.1:${port}`;
  const answer = async (path, options) => {
    const response = await fetch(`${url}${path}`, options);
    if (!response.ok) throw new Error(`${response.status} from ${path}: ${await response.text()}`);
    return response.json();
  };
  let code;
  child.exited.then((value) => {
    code = value;
  });
  await until(
    () => {
      if (code !== undefined) throw new Error(`llmock ended with ${code}: ${child.errors}`);
      return answer('/_llmock/verdict').catch(() => null);
    },
    () => `llmock to start: ${child.errors}`,
    { timeout: 100_000, every: 200 },
  );
  return {
    url: `${url}/v1`,
    /** Lets the next requests meet these faults, one after the other. */
    fail: (...behaviors) =>
      answer('/_llmock/scenario', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ behaviors }),
      }),
    /** Forgets what was asked, and what it was to fail. */
    reset: () => answer('/_llmock/reset', { method: 'POST' }),
    verdict: () => answer('/_llmock/verdict'),
    close: () => stop(child),
  };
}
