// Replicas that do not answer alike: run as `node uneven.ts slow` (each hundredth request takes 500 ms, the others nothing)
// or `node uneven.ts serial` (2 ms for each, one at a time on each connection, as most servers work, but any number of
// connections at once). Prints its three ports as JSON; the end of the IPC channel is its end.

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

const SLOW_MS = 500;
const SERIAL_MS = 2;

const answer = (response: Parameters<RequestListener>[1]): void => {
  response.writeHead(200, { 'content-length': 2 });
  response.end('ok');
};

const slow: RequestListener = (request, response) => {
  const key = Number(/request_id=(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
  if (key % 100 === 0) setTimeout(answer, SLOW_MS, response);
  else answer(response);
};

const freeAtMs = new WeakMap<object, number>();
const serial: RequestListener = ({ socket }, response) => {
  const nowMs = performance.now();
  const atMs = Math.max(nowMs, freeAtMs.get(socket) ?? 0) + SERIAL_MS;
  freeAtMs.set(socket, atMs);
  setTimeout(answer, atMs - nowMs, response);
};

process.on('disconnect', () => process.exit());
const ports: number[] = [];
for (let index = 0; index < 3; index++) {
  const server = createServer({ keepAliveTimeout: 75_000 }, process.argv[2] === 'serial' ? serial : slow);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ports.push((server.address() as AddressInfo).port);
}
process.stdout.write(`${JSON.stringify(ports)}\n`);
