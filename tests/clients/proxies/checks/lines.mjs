// Is what somebody publishes as JSON lines heard line by line, or only when the body has ended?

import { once } from 'node:events';
import { request } from 'node:http';
import { overHttp2 } from '../http2.mjs';
import { openReader } from '../readers.mjs';
import { baseOf, straight } from '../ways.mjs';
import { comes, fresh } from './verdict.mjs';

export const lines = (stand, over) => published(stand, over, 0);

/** The same with a rest before the last line. */
export const restFor = (seconds) => (stand, over) => published(stand, over, seconds);

async function published(stand, over, rest) {
  const channel = fresh('lines');
  const reader = openReader(stand, straight, channel, { base: stand.gateway.url });
  const body = send(stand, over, `${baseOf(stand, over)}/publish/${channel}`);
  try {
    if (!(await comes(() => reader.ledger.hellos.length, 5000))) return { verdict: 'no hello' };
    let late = null;
    for (let i = 0; i < 3; i += 1) {
      // An answer that comes before the body has ended is the end of it.
      if (i === 2 && rest && (await comes(() => body.over, 1000 * rest))) break;
      body.write(`${i}\n`);
      if (late === null && !(await comes(() => reader.ledger.data.length === i + 1, 1500))) {
        // Is it the proxy that has it, or the way back?
        const { length } = await stand.gateway.history(channel);
        late = `from line ${i} on, when the gateway had ${length}`;
      }
    }
    body.end();
    const { status, text } = await body.answer;
    if (status !== 200 && rest) return { verdict: 'cut', detail: status };
    if (status !== 200) return { verdict: `answered with ${status}`, detail: text };
    await comes(() => reader.ledger.data.length === 3, 2000);
    const { published: count, first, last } = JSON.parse(text);
    const right =
      count === 3 &&
      first === reader.ledger.ids[0] &&
      last === reader.ledger.ids[2] &&
      reader.ledger.data.join() === '0,1,2';
    if (!right) return { verdict: 'damaged', detail: text };
    return late === null ? { verdict: 'ok' } : { verdict: 'all at the end', detail: late };
  } finally {
    reader.end();
    body.close();
  }
}

/** A POST of JSON lines that are written one by one. */
function send(stand, over, url) {
  const headers = { 'Content-Type': 'application/x-ndjson' };
  if (over === 'HTTP/2') {
    const http2 = overHttp2(stand.ca);
    const { stream, answer } = http2.request(url, { method: 'POST', headers });
    const told = answer.then((head) => whole(stream, head.status), failed);
    return noticed({
      write: (text) => stream.write(text),
      end: () => stream.end(),
      close: http2.close,
      answer: told,
    });
  }
  const sent = request(url, { method: 'POST', headers });
  sent.flushHeaders();
  const answer = once(sent, 'response').then(
    ([response]) => whole(response, response.statusCode),
    failed,
  );
  sent.on('error', () => {
    /* the answer says so */
  });
  return noticed({
    write: (text) => sent.write(text),
    end: () => sent.end(),
    close: () => sent.destroy(),
    answer,
  });
}

function noticed(body) {
  body.answer.then(() => {
    body.over = true;
  });
  return body;
}

const failed = (error) => ({ status: error.code ?? error.message, text: '' });

async function whole(stream, status) {
  let text = '';
  try {
    for await (const bytes of stream) text += bytes;
  } catch (error) {
    return failed(error);
  }
  return { status, text };
}
