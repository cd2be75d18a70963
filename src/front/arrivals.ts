// Connections that have been accepted and have not come to the doors yet, because a stage of their way (listener.ts) has to
// read something first. They have said nothing of HTTP, so no Client's deadline holds for them: here are their bounds in time,
// one for all their stages together, and in number: a handshake holds some 50 KiB. Of too many the oldest is dropped, not
// the newest: one that is honest is through within some round trips, and a flood pushes out itself.

import type { Socket } from 'node:net';
import type { Config } from '../config/fields.ts';
import type { Peer } from './peer.ts';

export class Arrivals {
  readonly #peers = new Map<Socket, Peer>();
  #timeoutMs: number;
  #most: number;
  readonly #left: (peer: Peer) => void;
  readonly #dropped: () => void;
  readonly #onClose: (this: Socket) => void;

  /** `left`: one is closed without having come to the doors; `dropped`: because there were too many. */
  constructor(
    { headerTimeoutMs, maxHandshakes }: Pick<Config, 'headerTimeoutMs' | 'maxHandshakes'>,
    left: (peer: Peer) => void,
    dropped: () => void,
  ) {
    this.#timeoutMs = headerTimeoutMs;
    this.#most = maxHandshakes;
    this.#left = left;
    this.#dropped = dropped;
    const peers = this.#peers;
    this.#onClose = function () {
      const peer = peers.get(this);
      if (peers.delete(this)) left(peer!);
    };
  }

  configure({ headerTimeoutMs, maxHandshakes }: Config): void {
    this.#timeoutMs = headerTimeoutMs;
    this.#most = maxHandshakes;
    for (const peer of this.#peers.values()) peer.judge();
  }

  get size(): number {
    return this.#peers.size;
  }

  /** A stage begins that has to read something from `socket`. */
  add(socket: Socket, peer: Peer): void {
    if (this.#peers.size >= this.#most) this.#dropOldest();
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

  /** The first of a Map is the one that has been in it longest. */
  #dropOldest(): void {
    for (const [socket, peer] of this.#peers) {
      this.#peers.delete(socket);
      this.#left(peer);
      this.#dropped();
      socket.destroy();
      return;
    }
  }

  /** One that no stage takes. */
  leave(socket: Socket, peer: Peer): void {
    this.#left(peer);
    socket.destroy();
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
