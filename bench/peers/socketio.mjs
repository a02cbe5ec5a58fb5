// POST /publish emits its body as the event `message` to every client.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { Server } = createRequire(new URL('../../target/peers/node/', import.meta.url))('socket.io');

const server = createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/publish') return response.writeHead(404).end();
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    io.emit('message', Buffer.concat(parts).toString());
    response.writeHead(204).end();
  });
});

const io = new Server(server, { transports: ['websocket'], serveClient: false });

server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
