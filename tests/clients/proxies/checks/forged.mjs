// May a client choose its own address? Not by a field of its own, and not by a second request behind an upgrade that was refused.
import { connect } from 'node:net';
import { comes } from './verdict.mjs';

const claimed = '192.0.2.66';
const seen = `GET /dashboard/seen?client=whoever-it-may-be HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${claimed}\r\n`;

export async function forged(stand) {
  const plain = await answerTo(stand, `${seen}Connection: close\r\n\r\n`);
  const behind = await answerTo(
    stand,
    'GET /ws/x HTTP/1.1\r\nHost: a\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n',
    `${seen}Connection: close\r\n\r\n`,
  );
  // The last address is the one that counts.
  const believed = new RegExp(`"x-forwarded-for":"([^"]*, *)?${claimed}"`);
  return { verdict: believed.test(plain) || believed.test(behind) ? 'believes the client' : 'ok' };
}

/** What comes for `first`, and for `second` on the same connection once there was an answer. */
async function answerTo(stand, first, second) {
  const socket = connect(new URL(stand.plain).port, '127.0.0.1');
  let text = '';
  let over = false;
  socket
    .setEncoding('utf8')
    .on('data', (part) => {
      text += part;
    })
    .on('close', () => {
      over = true;
    })
    .on('error', () => {
      over = true;
    });
  socket.write(first);
  if (second) {
    await comes(() => over || text.includes('\r\n\r\n'), 3000);
    socket.write(second);
  }
  await comes(() => over || text.includes('"x-forwarded-for"'), 2000);
  socket.destroy();
  return text;
}
