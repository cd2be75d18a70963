// The floor: a bare node:http server that only answers. Run as: node bare.ts PORT REPLICA_PORTS (which it ignores).

import { createServer } from 'node:http';

const body = JSON.stringify({ message: 'Hello from Server: 1', status: 'Successful' }).padEnd(56);
const headers = ['content-type', 'application/json', 'content-length', String(body.length)];
createServer((request, response) => {
  if (request.method !== 'POST') {
    response.writeHead(200, headers);
    response.end(body);
    return;
  }
  let received = 0;
  request.on('data', chunk => {
    received += chunk.length;
  });
  request.on('end', () => {
    response.writeHead(200, [...headers, 'x-received-bytes', String(received)]);
    response.end(body);
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
