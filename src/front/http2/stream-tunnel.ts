// A stream that carries another protocol (extended CONNECT, RFC 8441), as the Duplex that the exchange's tunnels are made of: its
// DATA is what is read and written, its two ends those of the protocol's two directions, and a reset is its cut.

import { Duplex } from 'node:stream';
import { CANCEL } from './frames.ts';
import type { Stream } from './stream.ts';

export class StreamTunnel extends Duplex {
  readonly #stream: Stream;
  /** Of a chunk that waits for the client's window. */
  #onDrain: (() => void) | null = null;

  constructor(stream: Stream) {
    // What waits does so in the stream, which puts small pieces together.
    super({ readableHighWaterMark: 1 });
    this.#stream = stream;
  }

  /** Bytes of the client, only valid during the call. */
  received(chunk: Buffer): void {
    if (!this.push(Buffer.from(chunk))) this.#stream.pause();
  }

  receivedEnd(): void {
    this.push(null);
  }

  drained(): void {
    const done = this.#onDrain;
    this.#onDrain = null;
    done?.();
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#stream.sendData(chunk)) done();
    else this.#onDrain = done;
  }

  override _final(done: () => void): void {
    this.#stream.sendEnd('');
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stream.reset(CANCEL);
    done(error);
  }
}
