// Sockudo takes a publication only with a signature of its body: `node sockudo-publish.mjs PORT` signs and publishes each
// line of its input, in turn, and prints the status of each answer.
import { createHash, createHmac } from 'node:crypto';
import { request } from 'node:http';
import { createInterface } from 'node:readline';

const path = '/apps/bench/events';

function signed(body) {
  const digest = createHash('md5').update(body).digest('hex');
  const now = Math.floor(Date.now() / 1000);
  const query = `auth_key=bench-key&auth_timestamp=${now}&auth_version=1.0&body_md5=${digest}`;
  const signature = createHmac('sha256', 'bench-secret').update(`POST\n${path}\n${query}`).digest('hex');
  return `${path}?${query}&auth_signature=${signature}`;
}

function publish(data) {
  const body = JSON.stringify({ name: 'message', channel: 'bench', data });
  const options = { host: '127.0.0.1', port: process.argv[2], method: 'POST', path: signed(body) };
  return new Promise((resolve, reject) => {
    request(options, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      .on('error', reject)
      .setHeader('Content-Type', 'application/json')
      .end(body);
  });
}

for await (const line of createInterface({ input: process.stdin })) console.log(await publish(line));
