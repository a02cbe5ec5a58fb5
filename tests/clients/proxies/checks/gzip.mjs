// Where the proxy compresses everything: does a stream that curl lets be compressed still come message by message, and undamaged?
import { start, stop } from '../../child.mjs';
import { baseOf } from '../ways.mjs';
import { comes, fresh, held, median, oneByOne } from './verdict.mjs';

export async function gzip(stand, way) {
  if (way.wire === 'ws') return null;
  const channel = fresh('gzip');
  const child = start('curl', [
    '-sNv',
    '--cacert',
    stand.cert,
    way.over === 'HTTP/2' ? '--http2' : '--http1.1',
    '--compressed',
    '-H',
    'Accept-Encoding: gzip, br',
    ...(way.wire === 'sse' ? ['-H', 'Accept: text/event-stream'] : []),
    `${baseOf(stand, way.over)}/${way.path}/${channel}`,
  ]);
  // An event's data and a line of JSON are the same document.
  const documents = () =>
    child.output
      .split('\n')
      .slice(0, -1)
      .map((line) => line.replace(/^data: /, ''))
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  try {
    if (!(await comes(() => documents().length, 5000))) return { verdict: 'no hello' };
    const encoding = child.errors.match(/^< content-encoding: *(\S+)/im)?.[1] ?? 'none';
    const delays = await oneByOne(stand, channel, () => documents().length, 10);
    if (!delays) return { verdict: 'messages do not come', encoding };
    const history = await stand.gateway.history(channel);
    if (JSON.stringify(documents().slice(1)) !== JSON.stringify(history))
      return { verdict: 'damaged', encoding };
    const ms = median(delays);
    return { verdict: ms > held ? 'held back' : 'ok', ms, encoding };
  } finally {
    await stop(child);
  }
}
