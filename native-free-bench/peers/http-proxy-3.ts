// http-proxy-3 with a keep-alive agent (without one it opens a connection per request) and one proxy object
// per replica: a target that is known beforehand is parsed once, and no options are copied for a request.

import { Agent, type ServerResponse } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import { badGateway, CONNECTIONS, origins, ownerOf, serve } from './serve.ts';

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const proxies = origins.map(target => {
  const proxy = createProxyServer({ target, agent, xfwd: true });
  proxy.on('error', (_error, _request, response) => badGateway(response as ServerResponse));
  return proxy;
});
serve((request, response) => void proxies[ownerOf(request.url)]?.web(request, response));
