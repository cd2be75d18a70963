// The bundled replica: the assignment's server program, run by the process driver and by docker/replica.Dockerfile, and
// the origin that benchmarks measure against. One file on node:http alone, so that the image needs nothing else.
// It outlives a SIGKILL of torc on purpose: the next torc adopts it. Every answer is a string made at start and goes out
// in one write; any method gets the same answer, for the request is only a key here.

import { createServer, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';

/** Longer than any pool keeps an idle connection, so that the pool closes it and never sends into a closing one. */
const KEEP_ALIVE_MS = 75_000;

const serverId = process.env.SERVER_ID ?? hostname();
const port = Number(process.env.PORT ?? 5000);
const host = process.env.HOST ?? '0.0.0.0';

const greeting = { message: `Hello from Server: ${serverId}`, status: 'Successful' };
const home = JSON.stringify(greeting);
const request = JSON.stringify({ response: greeting, server_id: serverId });
const unknown = JSON.stringify({ message: '<Error> no such endpoint in this replica', status: 'failure' });
const headersOf = (body: string): string[] => [
  'content-type',
  'application/json',
  'content-length',
  String(Buffer.byteLength(body)),
];
const homeHeaders = headersOf(home);
const requestHeaders = headersOf(request);
const unknownHeaders = headersOf(unknown);
const emptyHeaders = ['content-length', '0'];

function answer(target: string, response: ServerResponse): void {
  const query = target.indexOf('?');
  switch (query === -1 ? target : target.slice(0, query)) {
    case '/request':
      response.writeHead(200, requestHeaders).end(request);
      break;
    case '/heartbeat':
      response.writeHead(200, emptyHeaders).end();
      break;
    case '/home':
      response.writeHead(200, homeHeaders).end(home);
      break;
    default:
      response.writeHead(404, unknownHeaders).end(unknown);
  }
}

let stopping = false;
const server = createServer((incoming, response) => {
  if (stopping) response.shouldKeepAlive = false;
  answer(incoming.url ?? '/', response);
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(
    `replica ${serverId} cannot listen on ${host}:${port}: ${error.code ?? error.message}\n`,
  );
  process.exit(1);
});
server.listen(port, host);

/** Requests in flight are finished; the process ends with its last connection. */
function stop(): void {
  stopping = true;
  server.close();
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
