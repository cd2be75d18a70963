// The stage of a connection's way (listener.ts) that reads who the client is, where the peer is a proxy of TCP that says so
// before all else (TORC_PROXY_PROTOCOL). Who has to say it is known by the address alone, before a byte is read: to look
// whether the first bytes are such a header would let every client tell torc whose they are. What is wrong is closed
// without a word; what came behind the header is put back for the next stage.

import type { Socket } from 'node:net';
import type { Log } from '../core/log.ts';
import type { Arrivals } from './arrivals.ts';
import type { Peer } from './peer.ts';
import { MORE, readProxyHeader, WRONG } from './proxy-protocol.ts';

const TELL_EVERY_MS = 60_000;

export interface ProxyStageOptions {
  readonly log: Log;
  readonly arrivals: Arrivals;
  /** The client is known. */
  readonly next: (socket: Socket, peer: Peer) => void;
}

export class ProxyStage {
  readonly #options: ProxyStageOptions;
  /** Connections closed since the last line, and whose the latest was. */
  #untold = 0;
  #latest = '';
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ProxyStageOptions) {
    this.#options = options;
  }

  take(socket: Socket, peer: Peer): void {
    const { arrivals, next } = this.#options;
    arrivals.add(socket, peer);
    let read: Buffer | null = null;
    const refuse = (): void => {
      this.#untold++;
      this.#latest = peer.ip;
      socket.destroy();
    };
    const onData = (chunk: Buffer): void => {
      read = read === null ? chunk : Buffer.concat([read, chunk]);
      const header = readProxyHeader(read);
      if (header === MORE) return;
      if (header === WRONG) {
        refuse();
        return;
      }
      socket.off('data', onData);
      socket.off('end', refuse);
      socket.pause();
      if (read.length > header.bytes) socket.unshift(read.subarray(header.bytes));
      arrivals.remove(socket);
      peer.speaksFor(header.address);
      next(socket, peer);
    };
    socket.on('data', onData);
    socket.on('end', refuse);
  }

  /** Tells what was refused, at most once a minute: it could be many. */
  sweep(nowMs: number): void {
    if (this.#untold === 0 || nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    const from = this.#latest === '' ? 'through a unix socket' : `of ${this.#latest}`;
    this.#options.log.warn(
      { refused: this.#untold, ip: this.#latest },
      `${this.#untold} connections closed that did not begin with a right PROXY header, the latest ${from}: TORC_PROXY_PROTOCOL says that they do`,
    );
    this.#untold = 0;
    this.#toldAtMs = nowMs;
  }
}
