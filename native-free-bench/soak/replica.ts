// The replica of the soak: answers what a request brought, sends large answers, takes its time where it is asked to, and
// echoes what comes behind an upgrade. One file on node:http, like the bundled one, so that torc starts it by a command.

import { createServer } from 'node:http';

const CHUNK = Buffer.alloc(16 * 1024, 'soak');

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url!, 'http://soak');
  const number = (name: string): number => Number(searchParams.get(name) ?? 0);
  if (pathname === '/large') {
    response.writeHead(200, { 'content-length': number('chunks') * CHUNK.length });
    let left = number('chunks');
    const send = (): void => {
      while (left-- > 0) if (!response.write(CHUNK)) return void response.once('drain', send);
      response.end();
    };
    send();
    return;
  }
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    const answer = (): void => void response.end(String(bytes));
    if (number('ms') > 0) setTimeout(answer, number('ms'));
    else answer();
  });
});
server.on('upgrade', (_request, socket, head) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.write(head);
  socket.pipe(socket);
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
