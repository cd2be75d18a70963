// A replica whose answers take their time: /slow answers after 5 s, /events tells a server-sent event every 100 ms for
// 5 s, an upgrade becomes an echo that lasts as long as the client wants, /never gets no answer, and /end gets one when the
// replica is asked to end, which it then does.

import { createServer, type ServerResponse } from 'node:http';

const SLOW_MS = 5_000;
const EVENT_MS = 100;

const untilEnd: ServerResponse[] = [];

const server = createServer((request, response) => {
  if (request.url?.startsWith('/slow')) setTimeout(() => response.end('slow'), SLOW_MS);
  else if (request.url?.startsWith('/events')) tell(response);
  else if (request.url?.startsWith('/end')) untilEnd.push(response);
  else if (!request.url?.startsWith('/never')) response.end();
});

function tell(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let count = 0;
  const timer = setInterval(() => {
    response.write(`data: ${++count}\n\n`);
    if (count < SLOW_MS / EVENT_MS) return;
    clearInterval(timer);
    response.end('data: end\n\n');
  }, EVENT_MS);
}

server.on('upgrade', (_request, socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
  socket.pipe(socket);
});
server.keepAliveTimeout = 75_000;
server.listen(Number(process.env.PORT));
process.on('SIGTERM', () => {
  let left = untilEnd.length;
  for (const response of untilEnd) response.end('at last', () => --left === 0 && process.exit(0));
  if (left === 0) process.exit(0);
});
