// @fastify/http-proxy (which is @fastify/reply-from with undici) as a whole fastify server. Its README calls the parsing of
// URLs the main bottleneck, so its cache of parsed ones holds all of the load.

import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';
import { CACHED_URLS, CONNECTIONS, KEEP_ALIVE_MS, listenPort, origins, ownerOf } from './serve.ts';

const server = fastify({ keepAliveTimeout: KEEP_ALIVE_MS });
await server.register(httpProxy, {
  upstream: '',
  replyOptions: { getUpstream: (request: { url: string }) => origins[ownerOf(request.url)] ?? '' },
  undici: { connections: CONNECTIONS },
  cacheURLs: CACHED_URLS,
});
await server.listen({ port: listenPort, host: '127.0.0.1' });
