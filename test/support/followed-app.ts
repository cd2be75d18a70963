// The program of the containers that are followed in tests: answers /request and /heartbeat from START_MS after its start
// on, and does nothing else. Asked to end it serves on for a moment, as servers behind a balancer should: one that closes at
// once can be met twice by a request when two stop in the same instant (docs/operations.md). The Dockerfile is in followed.ts.

import { createServer } from 'node:http';
import { hostname } from 'node:os';

const SERVES_ON_MS = 1_000;

let isEnding = false;
const server = createServer((_request, response) => {
  if (isEnding) response.shouldKeepAlive = false;
  response.end(JSON.stringify({ host: hostname(), version: process.env.VERSION ?? '' }));
});
server.keepAliveTimeout = 75_000;
setTimeout(() => server.listen(Number(process.env.PORT ?? 8080)), Number(process.env.START_MS ?? 0));
process.on('SIGTERM', () => {
  isEnding = true;
  if (server.listening) setTimeout(() => server.close(), SERVES_ON_MS);
  else process.exit(0);
});
