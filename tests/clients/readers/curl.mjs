// curl in a loop, as a shell user would write it: the last whole message says where to go on.

import { setTimeout as pause } from 'node:timers/promises';
import { start } from '../child.mjs';
import { from } from './from.mjs';

/** `resume` is how the id goes back: the `header` Last-Event-ID or the `query` parameter last_event_id. */
export function curlReader(url, ledger, { wire, resume }) {
  const framing = wire === 'sse' ? sse : jsonLines;
  let last = null;
  let child = null;
  let open = true;

  const loop = (async () => {
    while (open) {
      // With -f a refusal, which a draining gateway sends, is no message.
      const args = ['-sfN', '--max-time', '120'];
      if (last && resume === 'header') args.push('-H', `Last-Event-ID: ${last}`);
      args.push(resume === 'query' ? from(url, last) : url);
      child = start('curl', args);
      let rest = '';
      child.stdout.on('data', (text) => {
        const parts = (rest + text).split(framing.end);
        // What a cut left of a message is not a message.
        rest = parts.pop();
        for (const part of parts) {
          const document = framing.document(part, ledger);
          if (!document) continue;
          ledger.take(document);
          if (document.id) last = document.id;
        }
      });
      await child.exited;
      if (open) await pause(100);
    }
  })();

  return {
    close() {
      open = false;
      child?.kill();
      return loop;
    },
  };
}

const jsonLines = { end: '\n', document: (line) => line && JSON.parse(line) };

const sse = {
  end: '\n\n',
  document(block, ledger) {
    const fields = block.split('\n').map((line) => line.split(/: ?(.*)/s));
    const data = fields
      .filter(([name]) => name === 'data')
      .map(([, value]) => value)
      .join('\n');
    if (!data) return null;
    const document = JSON.parse(data);
    const id = fields.find(([name]) => name === 'id')?.[1];
    if (id !== document.id) ledger.fault(`the id field is ${id}, the document says ${document.id}`);
    return document;
  },
};
