// The floor: the shape of the Flask program that torc grew from, in Node. One thread, one request at a time, a connection of
// its own to the replica for each, and none kept to the client. Its speed is not Python's; the shape is what is shown.

import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { badGateway, origins, ownerOf, serve } from './serve.ts';

/** One entry per connected client at most: who waits for an answer asks nothing else. */
const waiting: (() => void)[] = [];
let busy = false;

function next(): void {
  const start = waiting.shift();
  busy = start !== undefined;
  start?.();
}

function forward(request: IncomingMessage, response: ServerResponse): void {
  // It gave up while it waited.
  if (response.destroyed) {
    next();
    return;
  }
  response.on('close', next);
  const { method = 'GET', headers, url = '/' } = request;
  const upstream = ask(
    `${origins[ownerOf(url)]}${url}`,
    { agent: false, method, headers: { ...headers, connection: 'close' } },
    answer => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, connection: 'close' });
      answer.pipe(response);
    },
  );
  upstream.on('error', () => badGateway(response));
  request.pipe(upstream);
}

serve((request, response) => {
  waiting.push(() => forward(request, response));
  if (!busy) next();
});
