// Connections that have been accepted and have not come to the doors yet, because a stage of their way (listener.ts) has to
// read something first. They have said nothing of HTTP, so no Client's deadline holds for them: here is their bound in time,
// one for all their stages together, and here they are found when torc drains.

import type { Socket } from 'node:net';
import type { Peer } from './peer.ts';

export class Arrivals {
  readonly #peers = new Map<Socket, Peer>();
  #timeoutMs: number;
  readonly #onClose: (this: Socket) => void;

  /** `left`: one is closed without having come to the doors. */
  constructor(timeoutMs: number, left: (peer: Peer) => void) {
    this.#timeoutMs = timeoutMs;
    const peers = this.#peers;
    this.#onClose = function () {
      const peer = peers.get(this)!;
      peers.delete(this);
      left(peer);
    };
  }

  configure(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    for (const peer of this.#peers.values()) peer.judge();
  }

  get size(): number {
    return this.#peers.size;
  }

  /** A stage begins that has to read something from `socket`. */
  add(socket: Socket, peer: Peer): void {
    this.#peers.set(socket, peer);
    socket.on('error', destroyed);
    socket.on('close', this.#onClose);
  }

  /** It has read that: the next stage listens to the socket. */
  remove(socket: Socket): void {
    this.#peers.delete(socket);
    socket.off('error', destroyed);
    socket.off('close', this.#onClose);
  }

  sweep(nowMs: number): void {
    for (const [socket, { acceptedMs }] of this.#peers)
      if (nowMs - acceptedMs >= this.#timeoutMs) socket.destroy();
  }

  end(): void {
    for (const socket of this.#peers.keys()) socket.destroy();
  }
}

function destroyed(this: Socket): void {
  this.destroy();
}
