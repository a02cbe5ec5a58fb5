// Readers that are programs of their own, in Python and Go, with libraries that `make setup` has installed. Each prints what its
// library gives out, a line of JSON for each event.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { start, stop } from '../child.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const python = here('../.venv/bin/python');

/** Python's httpx-sse. */
export const httpxReader = (url, ledger) =>
  read(python, ['-u', here('sse_httpx.py'), url], ledger, eventOf);

/** OpenAI's SDK for Python, which gives out documents and keeps an event's other fields to itself. */
export const openaiReader = (url, ledger) =>
  read(python, ['-u', here('sse_openai.py'), url], ledger, (document) => document);

/** Two libraries for Go. */
export const r3labsReader = (url, ledger) =>
  read(here('../.go/sse_go'), ['r3labs', url], ledger, eventOf);
export const tmaxmaxReader = (url, ledger) =>
  read(here('../.go/sse_go'), ['tmaxmax', url], ledger, eventOf);

/** The document of an event, whose own fields have to agree with it. */
function eventOf({ id, data }, ledger) {
  if (!data) throw new Error(`an empty event, with the id ${id}`);
  const document = JSON.parse(data);
  if (document.id && document.id !== id)
    ledger.fault(`the event's id is ${id}, the document says ${document.id}`);
  return document;
}

function read(program, args, ledger, documentOf) {
  const child = start(program, args);
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      ledger.take(documentOf(JSON.parse(line), ledger));
    } catch (error) {
      ledger.fault(error);
    }
  });
  child.exited.then((code) => {
    if (code !== 'SIGTERM') ledger.fault(`${args.at(-2)} ended with ${code}: ${child.errors}`);
  });
  return { close: () => stop(child) };
}
