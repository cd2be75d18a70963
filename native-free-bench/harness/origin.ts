// The replicas behind every target: bare node:http servers in one process, answering a body of a fixed size as cheaply as
// Node can. A POST is answered when all of it is there, with its size in `x-received-bytes`, so that a target that loses
// some is found out. Run as: node origin.ts BYTES COUNT; prints its ports as JSON. With an IPC channel: a number that it
// is sent is the new body size, which it sends back when it is in force, and the end of the channel is its end.

import { once } from 'node:events';
import { createServer } from 'node:http';

interface Answer {
  readonly body: string | Buffer;
  readonly headers: readonly string[];
}

const count = Number(process.argv[3] ?? 3);
const slots = Array.from({ length: count }, (_, i) => i + 1);
let answers = answersOf(Number(process.argv[2] ?? 56));

function answersOf(bytes: number): Answer[] {
  return slots.map(slot => {
    const small = JSON.stringify({ message: `Hello from Server: ${slot}`, status: 'Successful' });
    // A name of several digits is longer than the smallest of sizes.
    const length = Math.max(bytes, small.length);
    return {
      body: bytes <= 1024 ? small.padEnd(length) : Buffer.alloc(bytes, small.padEnd(64)),
      headers: ['content-type', 'application/json', 'content-length', String(length)],
    };
  });
}

process.on('message', bytes => {
  answers = answersOf(Number(bytes));
  process.send?.(bytes);
});
process.on('disconnect', () => process.exit());

const ports: number[] = [];
for (const slot of slots) {
  const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    const { body, headers } = answers[slot - 1]!;
    if (request.method !== 'POST') {
      response.writeHead(200, headers as string[]);
      response.end(body);
      return;
    }
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => {
      response.writeHead(200, [...headers, 'x-received-bytes', String(received)]);
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address !== null && typeof address === 'object') ports.push(address.port);
}
process.stdout.write(`${JSON.stringify(ports)}\n`);
