// Which HTTP a client speaks who was not asked (no ALPN): one who knows that this is HTTP/2 begins with a preface that no
// HTTP/1.1 is (RFC 9113 section 3.4). It is looked for where the raw lane gives up, so plain requests pay nothing for it; and it may
// come in pieces of any size, so a connection that has begun with some of it waits here for the rest.

import type { Client, ClientSocket, RawLane } from './client.ts';
import { startReading, stopReading } from './read-buffer.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export type Verdict = 'http1' | 'http2' | 'more';

/** `bytes`: the connection's first. */
export function judge(bytes: Buffer): Verdict {
  const length = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return 'http1';
  return length === PREFACE.length ? 'http2' : 'more';
}

/** A lane until it is known which one it is to be. */
export class Preface implements RawLane {
  /** Nothing of a request is here: the time-out of heads counts. */
  readonly isIdle = true;
  readonly #socket: ClientSocket;
  readonly #settled: (verdict: 'http1' | 'http2', bytes: Buffer) => void;
  #bytes: Buffer;

  /** `bytes` were read already. `settled` is called once; then the connection is the caller's. */
  constructor(client: Client, bytes: Buffer, settled: (verdict: 'http1' | 'http2', bytes: Buffer) => void) {
    this.#socket = client.socket;
    this.#settled = settled;
    this.#bytes = bytes;
    this.#socket.express = this;
    this.#socket.on('end', onEnd);
    startReading(this.#socket);
  }

  received(chunk: Buffer): void {
    // The chunk's memory is read into again.
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const verdict = judge(this.#bytes);
    if (verdict !== 'more') this.#leave(verdict);
  }

  /** What there is may still be a request that is broken off. */
  ended(): void {
    this.#leave('http1');
  }

  rest(): void {}
  forget(): void {}
  taken(): void {}

  #leave(verdict: 'http1' | 'http2'): void {
    this.#socket.express = null;
    stopReading(this.#socket);
    this.#socket.off('end', onEnd);
    this.#settled(verdict, this.#bytes);
  }
}

function onEnd(this: ClientSocket): void {
  this.express!.ended();
}
