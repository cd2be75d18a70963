// What the relay of control requests (cluster/relay.ts) asks of a request and of its answer, whichever door they came through:
// what node:http's own objects have already, and what a stream of HTTP/2 can give (http2/control-stream.ts). So the bounds of control
// requests are written once, and neither door has to dress up as the other.

import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

export interface ControlRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Name, value, name, value; of HTTP/2 as a client of HTTP/1.1 would have sent them. */
  readonly rawHeaders: readonly string[];
  readonly headers: Pick<IncomingHttpHeaders, 'expect'>;
  readonly httpVersionMinor: number;
  /** The last byte of the request is here. */
  readonly complete: boolean;
  /** null where the connection is not the request's alone. */
  readonly socket: Socket | null;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'error', listener: () => void): unknown;
  /** What comes is dropped, where nobody listens. */
  resume(): unknown;
}

export interface ControlResponse {
  /** The connection goes on behind this answer; HTTP/2's does whatever is said here. */
  shouldKeepAlive: boolean;
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** Bytes that wait for their reader, here and in the connection. */
  readonly writableLength: number;
  readonly socket: { readonly writableLength: number } | null;
  writeContinue(): void;
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown;
  /** False: wait for 'drain'. */
  write(chunk: string): boolean;
  end(chunk: string): unknown;
  end(): unknown;
  destroy(): unknown;
  on(event: 'close', listener: () => void): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
  listenerCount(event: 'drain'): number;
}

/** Who asks, and at which listener. */
export interface ControlPeer {
  /** '' where it came through a unix socket. */
  readonly ip: string;
  readonly isTold: boolean;
  readonly at: { readonly host: string };
}

/** Where control requests go. */
export interface AdminGateway {
  handle(request: ControlRequest, response: ControlResponse, from: ControlPeer): void;
}
