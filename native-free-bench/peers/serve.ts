// What the Node peers share: their arguments (node PEER.ts PORT REPLICA_PORTS), the listener, and the limits that each is
// given where its library has such a setting. They are generous, so that no peer loses by a default.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ringOf } from './ring.ts';

/** Upstream connections per replica: what torc allows by default. */
export const CONNECTIONS = 256;
/** Parsed URLs that a peer may remember: more than the load has, so that each is parsed once. */
export const CACHED_URLS = 10_000;
/** How long a client may pause before its connection is closed: as nginx does. */
export const KEEP_ALIVE_MS = 75_000;

export const listenPort = Number(process.argv[2]);
export const origins = (process.argv[3] ?? '').split(',').map(port => `http://127.0.0.1:${port}`);

const ring = ringOf(origins.length);
const keyPattern = /request_id=([^&]*)/;
/** The index of the replica for this URL. */
export const ownerOf = (url = '/'): number => ring(keyPattern.exec(url)?.[1] ?? '');

export function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): void {
  createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, handler).listen(listenPort, '127.0.0.1');
}

export function badGateway(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(502).end();
}
