// A replica that takes a moment for each answer, and at SIGUSR2 closes the sockets of all requests that wait for one,
// before any byte of their answers: a crash of its worker threads, say, that the process itself survives.

import { createServer } from 'node:http';
import type { Socket } from 'node:net';

const ANSWER_MS = 5;
const waiting = new Set<Socket>();

const server = createServer((request, response) => {
  request.resume();
  if (request.url === '/heartbeat') {
    response.end();
    return;
  }
  const { socket } = request;
  waiting.add(socket);
  setTimeout(() => {
    waiting.delete(socket);
    if (!socket.destroyed) response.end('ok');
  }, ANSWER_MS);
});
server.keepAliveTimeout = 75_000;
server.listen(Number(process.env.PORT));

process.on('SIGUSR2', () => {
  for (const socket of waiting) socket.resetAndDestroy();
});
process.on('SIGTERM', () => process.exit(0));
