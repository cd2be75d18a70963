// What the bench uses of packages that bring no types, or that are not there before the bench's first run: the product is
// type-checked without them.

declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  interface Request {
    method: 'GET' | 'POST';
    path: string;
    body?: string;
    headers?: Record<string, string>;
    onResponse?: (status: number, body: string) => void;
  }
  interface Client {
    setRequests(requests: readonly Request[]): void;
  }
  interface Options {
    url: string | string[];
    connections: number;
    duration: number;
    sampleInt?: number;
    setupClient?: (client: Client) => void;
    requests?: readonly Request[];
  }
  interface Result {
    requests: { total: number; sent: number };
    errors: number;
    timeouts: number;
    non2xx: number;
  }
  interface Run extends Promise<Result>, EventEmitter {}
  export default function autocannon(options: Options): Run;
}
declare module 'fast-proxy' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  interface Options {
    base: string;
    undici: { connections: number };
    cacheURLs: number;
  }
  type Proxy = (request: IncomingMessage, response: ServerResponse, source: string, options: object) => void;
  export default function fastProxy(options: Options): { proxy: Proxy };
}
declare module 'http-proxy' {
  import type { createProxyServer } from 'http-proxy-3';

  const httpProxy: { createProxyServer: typeof createProxyServer };
  export default httpProxy;
}
declare module 'http-proxy-3' {
  import type { EventEmitter } from 'node:events';
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http';

  interface Options {
    target: string;
    agent: Agent;
    xfwd: boolean;
  }
  interface Proxy extends EventEmitter {
    web(request: IncomingMessage, response: ServerResponse): unknown;
  }
  export function createProxyServer(options: Options): Proxy;
}
declare module 'httpxy' {
  export { createProxyServer } from 'http-proxy-3';
}
declare module 'fastify' {
  interface Server {
    register(plugin: object, options: object): PromiseLike<unknown>;
    listen(options: { port: number; host: string }): Promise<string>;
  }
  export default function fastify(options: { keepAliveTimeout: number }): Server;
}
declare module '@fastify/http-proxy' {
  const httpProxy: object;
  export default httpProxy;
}
declare module 'hashring' {
  export default class HashRing {
    constructor(servers: readonly string[]);
    get(key: string): string;
    add(server: string): void;
    remove(server: string): void;
  }
}
declare module 'consistent-hash' {
  export default class ConsistentHash {
    constructor(options?: { weight: number; range: number });
    get(key: string): string;
    add(node: string): void;
    remove(node: string): void;
  }
}
