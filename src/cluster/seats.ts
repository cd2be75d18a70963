// Which worker accepts from which listening socket. A seat's sockets belong to the worker that sits there. While it is empty,
// because its worker died and the successor does not listen yet, another worker accepts for it, so that nobody waits for a
// process to start; the successor takes over by listening too, and then the other one leaves. No connection is lost on the
// way, because the socket itself is the primary's (sockets.ts). Says who is to be told what; workers.ts tells.

import type { SendHandle } from 'node:child_process';
import type { ToWorker } from '../core/messages.ts';
import type { ListeningSocket } from './sockets.ts';

export interface Sitter {
  readonly seat: number;
  /** It accepts from all sockets of its own. */
  readonly listening: boolean;
  tell(message: ToWorker, handle?: SendHandle): void;
}

interface Place<S> {
  readonly socket: ListeningSocket;
  /** Sits here; null between a death and the next fork. */
  owner: S | null;
  ownerListens: boolean;
  /** Accepts in its place. */
  standIn: S | null;
}

export class Seats<S extends Sitter> {
  readonly #shared: readonly ListeningSocket[];
  readonly #places: readonly Place<S>[];
  /** How many sockets of its own each is still to say it listens on. */
  readonly #missing = new Map<S, number>();

  constructor(sockets: readonly ListeningSocket[]) {
    this.#shared = sockets.filter(({ seat }) => seat === null);
    this.#places = sockets
      .filter(({ seat }) => seat !== null)
      .map(socket => ({ socket, owner: null, ownerListens: false, standIn: null }));
  }

  /** It gets its sockets. */
  sit(sitter: S): void {
    const own = this.#places.filter(({ socket }) => socket.seat === sitter.seat);
    for (const place of own) {
      place.owner = sitter;
      place.ownerListens = false;
    }
    this.#missing.set(sitter, own.length + this.#shared.length);
    for (const socket of this.#shared) hand(sitter, socket);
    for (const { socket } of own) hand(sitter, socket);
  }

  /** It listens on one; true when it now does on all of its own. */
  listens(sitter: S, id: number): boolean {
    const place = this.#places.find(({ socket }) => socket.id === id);
    if (place !== undefined && place.owner !== sitter) return false;
    if (place !== undefined) {
      place.ownerListens = true;
      place.standIn?.tell({ type: 'leave', socket: id });
      place.standIn = null;
    }
    const missing = this.#missing.get(sitter)! - 1;
    this.#missing.set(sitter, missing);
    return missing === 0;
  }

  /** It is gone: `others` take in turns what nobody accepts from now. */
  leave(sitter: S, others: readonly S[]): void {
    this.#missing.delete(sitter);
    const able = others.filter(({ listening }) => listening);
    for (const [index, place] of this.#places.entries()) {
      if (place.owner === sitter) {
        place.owner = null;
        place.ownerListens = false;
      }
      if (place.standIn === sitter) place.standIn = null;
      if (place.ownerListens || place.standIn !== null || able.length === 0) continue;
      place.standIn = able[index % able.length]!;
      hand(place.standIn, place.socket);
    }
  }
}

const hand = (sitter: Sitter, { id, address, handle }: ListeningSocket): void =>
  sitter.tell({ type: 'listen', socket: id, address }, handle);
