// A tunnel: after a 101 the two sides speak another protocol (WebSocket or any other), and torc only carries bytes. The
// client's side is a socket of its own or a stream of a connection (HTTP/2).
// Back-pressure is `pipe`'s; a half-close is passed on as a half-close, because protocols that say "I am done" that way
// still wait for the rest; an error or close of one side ends the other. What came right behind the 101 goes first.
//
// A peer that vanished (a closed laptop, a NAT that forgot) sends nothing for ever, and nothing is sent to it that would
// fail. TCP keep-alive finds out when its machine is gone; the timeout ends what is silent and still there. It is looked
// at by the sweep of all deadlines: a timer per tunnel, set again with every chunk, would cost each chunk.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** The first probe on a silent connection; then Node's one a second, ten times (Go's servers have the same 15 s). */
const KEEP_ALIVE_MS = 15_000;
/** The sweep looks at the tunnels so many times within their timeout, which is how late it may be. */
const LOOKS = 8;
const MIN_LOOK_MS = 10;

export class Tunnel {
  readonly client: Duplex;
  readonly replica: Socket;
  readonly #timeoutMs: number;
  readonly #onEnd: () => void;
  #open = 2;
  /** Bytes of both directions when they were last looked at, and when they were seen to change. */
  #bytes = -1;
  #movedAtMs = 0;

  /** `onEnd` is called once both sides ended. */
  constructor(client: Duplex, replica: Socket, rest: Buffer, timeoutMs: number, onEnd: () => void) {
    this.client = client;
    this.replica = replica;
    this.#timeoutMs = timeoutMs;
    this.#onEnd = onEnd;
    if (rest.length > 0) client.write(rest);
    this.#carry(client, replica);
    this.#carry(replica, client);
  }

  /** How often it is to be looked at. */
  get lookMs(): number {
    return Math.max(MIN_LOOK_MS, this.#timeoutMs / LOOKS);
  }

  /** True when no byte came from either side for its timeout. */
  isSilent(nowMs: number): boolean {
    const bytes = this.replica.bytesRead + this.replica.bytesWritten;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#movedAtMs = nowMs;
    }
    return nowMs - this.#movedAtMs >= this.#timeoutMs;
  }

  destroy(): void {
    this.client.destroy();
    this.replica.destroy();
  }

  #carry(from: Duplex, to: Duplex): void {
    if (from instanceof Socket) {
      from.setTimeout(0);
      from.setKeepAlive(true, KEEP_ALIVE_MS);
    }
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      // After a proper end of both directions `pipe` has ended the other side; anything else is passed on as a cut.
      if (!from.readableEnded || !from.writableFinished) to.destroy();
      if (--this.#open === 0) this.#onEnd();
    });
  }
}

/** All tunnels of a worker. */
export class Tunnels {
  readonly #open = new Set<Tunnel>();
  #nextLookMs = 0;

  /** Carries bytes both ways until both sides ended, or neither had one for `timeoutMs`; `onEnd` is called once. */
  open(client: Duplex, replica: Socket, rest: Buffer, timeoutMs: number, onEnd: () => void): void {
    const tunnel = new Tunnel(client, replica, rest, timeoutMs, () => {
      this.#open.delete(tunnel);
      onEnd();
    });
    this.#open.add(tunnel);
    this.#nextLookMs = 0; // its timeout may be shorter than all others'
  }

  /** Ends those that were silent for too long. */
  sweep(nowMs: number): void {
    if (nowMs < this.#nextLookMs) return;
    let everyMs = Number.POSITIVE_INFINITY;
    for (const tunnel of this.#open) {
      everyMs = Math.min(everyMs, tunnel.lookMs);
      if (tunnel.isSilent(nowMs)) tunnel.destroy();
    }
    this.#nextLookMs = nowMs + everyMs;
  }
}
