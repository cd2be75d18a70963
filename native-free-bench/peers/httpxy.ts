// httpxy with a keep-alive agent of the size that all peers get and one proxy object
// per replica: a target that is known beforehand is parsed once, and no options are copied for a request.

import { Agent, type ServerResponse } from 'node:http';
import { createProxyServer } from 'httpxy';
import { badGateway, CONNECTIONS, origins, ownerOf, serve } from './serve.ts';

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const proxies = origins.map(target => {
  const proxy = createProxyServer({ target, agent, xfwd: true });
  proxy.on('error', (_error, _request, response) => badGateway(response as ServerResponse));
  return proxy;
});
serve((request, response) => void proxies[ownerOf(request.url)]?.web(request, response));
