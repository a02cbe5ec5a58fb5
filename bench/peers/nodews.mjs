// The broadcast that one writes first: GET /ws upgrades, GET /sse streams, POST /publish sends its body to all of
// them. GET /deflated does so with permessage-deflate for each connection, and GET /echo hears what it says.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { WebSocket, WebSocketServer } = createRequire(new URL('../../target/peers/node/', import.meta.url))('ws');

const streams = new Set();
const plain = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const deflated = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 128 } });
const echo = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const servers = { '/ws': plain, '/deflated': deflated, '/echo': echo };

function broadcast(data) {
  for (const socket of [...plain.clients, ...deflated.clients]) {
    if (socket.readyState === WebSocket.OPEN) socket.send(data, { binary: false });
  }
  const event = `data: ${data}\n\n`;
  for (const stream of streams) stream.write(event);
}

const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/publish') {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      broadcast(Buffer.concat(parts));
      response.writeHead(204).end();
    });
  } else if (request.method === 'GET' && request.url === '/sse') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    streams.add(response);
    response.on('close', () => streams.delete(response));
  } else {
    response.writeHead(404).end();
  }
});

server.on('upgrade', (request, socket, head) => {
  const sockets = servers[request.url];
  if (!sockets) return socket.destroy();
  sockets.handleUpgrade(request, socket, head, (opened) => {
    opened.on('error', () => opened.terminate());
    if (sockets === echo) opened.on('message', (data) => opened.send(data, { binary: false }));
  });
});

server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
