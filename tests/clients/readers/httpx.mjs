// Python's httpx-sse, in the virtual environment that `make setup` makes.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { start, stop } from '../child.mjs';

export const python = fileURLToPath(new URL('../.venv/bin/python', import.meta.url));
const script = fileURLToPath(new URL('sse_httpx.py', import.meta.url));

export function httpxReader(url, ledger) {
  const child = start(python, ['-u', script, url]);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, data } = JSON.parse(line);
    const document = JSON.parse(data);
    if (document.id && document.id !== id) ledger.fault(`the event's id is ${id}, the document says ${document.id}`);
    ledger.take(document);
  });
  child.exited.then((code) => { if (code !== 'SIGTERM') ledger.fault(`sse_httpx.py ended with ${code}: ${child.errors}`); });
  return { close: () => stop(child) };
}
