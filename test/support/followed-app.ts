// The program of the containers that are followed in tests: answers /request and /heartbeat from START_MS after its start
// on, ends when it is asked to as a well-behaved server does, and does nothing else. The Dockerfile is in followed.ts.

import { createServer } from 'node:http';
import { hostname } from 'node:os';

let isEnding = false;
const server = createServer((_request, response) => {
  if (isEnding) response.shouldKeepAlive = false;
  response.end(JSON.stringify({ host: hostname(), version: process.env.VERSION ?? '' }));
});
server.keepAliveTimeout = 75_000;
setTimeout(() => server.listen(Number(process.env.PORT ?? 8080)), Number(process.env.START_MS ?? 0));
process.on('SIGTERM', () => {
  isEnding = true;
  if (server.listening) server.close();
  else process.exit(0);
});
