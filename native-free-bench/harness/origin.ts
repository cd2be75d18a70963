// The replicas behind every target: bare node:http servers in one process, answering a body of a fixed size as cheaply
// as Node can. Run as: node origin.ts BYTES COUNT; prints its ports as JSON.

import { once } from 'node:events';
import { createServer } from 'node:http';

const bytes = Number(process.argv[2] ?? 56);
const count = Number(process.argv[3] ?? 3);
const ports: number[] = [];
for (let i = 1; i <= count; i++) {
  const small = JSON.stringify({ message: `Hello from Server: ${i}`, status: 'Successful' });
  const body = bytes <= 1024 ? small.padEnd(bytes) : Buffer.alloc(bytes, small.padEnd(64));
  const headers = ['content-type', 'application/json', 'content-length', String(bytes)];
  const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    response.writeHead(200, headers);
    if (request.method === 'POST') request.on('data', () => {}).on('end', () => response.end(body));
    else response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address !== null && typeof address === 'object') ports.push(address.port);
}
process.stdout.write(`${JSON.stringify(ports)}\n`);
