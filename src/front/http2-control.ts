// A control request that came as a stream of HTTP/2, and its answer, in the shape that the relay takes (control.ts).
// Not node:http2's own request and response ("compat"): they would write a body behind an answer to HEAD, and their list of
// fields has the pseudo-fields in it, which the control side does not know.

import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ControlRequest, ControlResponse } from './control.ts';

export class Http2ControlRequest implements ControlRequest {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: { readonly expect?: string };
  readonly httpVersionMinor = 1;
  readonly socket = null;
  complete: boolean;
  readonly #stream: ServerHttp2Stream;

  constructor(
    stream: ServerHttp2Stream,
    method: string,
    target: string,
    rawHeaders: readonly string[],
    expectsContinue: boolean,
  ) {
    this.#stream = stream;
    this.method = method;
    this.url = target;
    this.rawHeaders = rawHeaders;
    this.headers = expectsContinue ? { expect: '100-continue' } : {};
    this.complete = stream.endAfterHeaders;
    stream.on('end', () => {
      this.complete = true;
    });
  }

  on(event: 'data' | 'end' | 'error', listener: (chunk: Buffer) => void): void {
    this.#stream.on(event, listener);
  }

  resume(): void {
    this.#stream.resume();
  }
}

export class Http2ControlResponse implements ControlResponse {
  shouldKeepAlive = true;
  readonly socket = null;
  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;

  constructor(stream: ServerHttp2Stream, isHead: boolean) {
    this.#stream = stream;
    this.#isHead = isHead;
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  get writableLength(): number {
    return this.#stream.bufferSize;
  }

  writeContinue(): void {
    if (!this.destroyed) this.#stream.additionalHeaders({ ':status': 100 });
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    if (!this.destroyed) this.#stream.respond({ ':status': status, ...headers });
  }

  write(chunk: string): boolean {
    return this.destroyed || this.#isHead || this.#stream.write(chunk);
  }

  end(chunk = ''): void {
    if (this.destroyed) return;
    if (!this.#isHead) this.#stream.end(chunk);
    // What the client still sends of its request is not wanted (RFC 9113 section 8.1).
    if (!this.#stream.readableEnded) this.#stream.close();
  }

  destroy(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  on(event: 'close', listener: () => void): void {
    this.#stream.on(event, listener);
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    this.#stream.once(event, listener);
  }

  listenerCount(event: 'drain'): number {
    return this.#stream.listenerCount(event);
  }
}
