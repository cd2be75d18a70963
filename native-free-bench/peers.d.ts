// What the bench uses of autocannon, which brings no types of its own.

declare module 'autocannon' {
  interface Options {
    url: string;
    connections: number;
    duration: number;
    requests: { method: 'GET' | 'POST'; path: string; body?: string }[];
  }
  interface Result {
    requests: { total: number };
    errors: number;
    timeouts: number;
    non2xx: number;
  }
  export default function autocannon(options: Options): Promise<Result>;
}
declare module 'fast-proxy' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  interface Options {
    base: string;
    undici: { connections: number };
  }
  type Proxy = (request: IncomingMessage, response: ServerResponse, source: string, options: object) => void;
  export default function fastProxy(options: Options): { proxy: Proxy };
}
