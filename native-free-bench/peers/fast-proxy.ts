// fast-proxy with its undici transport and a consistent hash on request_id (a sorted ring, 160 points a replica).
// Run as: node fast-proxy.ts PORT REPLICA_PORTS.

import { createServer } from 'node:http';
import fastProxy from 'fast-proxy';
import { ringOf } from './ring.ts';

const ports = (process.argv[3] ?? '').split(',');
const proxies = ports.map(
  port => fastProxy({ base: `http://127.0.0.1:${port}`, undici: { connections: 128 } }).proxy,
);
const ownerOf = ringOf(ports.length);
createServer((request, response) => {
  const owner = ownerOf(/request_id=([^&]*)/.exec(request.url ?? '')?.[1] ?? '');
  proxies[owner]?.(request, response, request.url ?? '/', {});
}).listen(Number(process.argv[2]), '127.0.0.1');
