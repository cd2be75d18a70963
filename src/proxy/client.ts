// One client connection: who it is, whether its word on X-Forwarded-* counts, and its requests that are not answered
// yet (several, when it pipelines). Made once per connection, so that nothing of this is worked out per request, and so
// that one listener on the socket tells all of them when the client is gone.

import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Tells a client that its connection is gone. */
export interface Running {
  clientGone(): void;
}

export class Client {
  readonly socket: Socket;
  /** The peer's address; an IPv4 address that came through an IPv6 socket is written as IPv4. */
  readonly ip: string;
  readonly trusted: boolean;
  /** Requests without a complete answer, oldest first. */
  readonly running: Running[] = [];
  /** When its last request ended; before the first, Node's timeout of the head counts. */
  idleSinceMs = Number.POSITIVE_INFINITY;
  #unwritten = 0;

  constructor(socket: Socket, trustedRanges: readonly Range[]) {
    this.socket = socket;
    const address = socket.remoteAddress ?? '';
    this.ip = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
    this.trusted = trustedRanges.length > 0 && isWithin(this.ip, trustedRanges);
  }

  finished(request: Running, nowMs: number): void {
    const { running } = this;
    this.idleSinceMs = nowMs;
    // Nearly always the only one: clients that pipeline are rare.
    if (running.length === 1) running.pop();
    else {
      const index = running.indexOf(request);
      if (index !== -1) running.splice(index, 1);
    }
  }

  /** Keep-alive is over: no request since `sinceMs`, and it reads no more of what it was sent. */
  isIdle(sinceMs: number, nowMs: number): boolean {
    if (this.idleSinceMs > sinceMs || this.running.length > 0) return false;
    if (this.socket.writableLength === this.#unwritten) return true;
    this.#unwritten = this.socket.writableLength;
    this.idleSinceMs = nowMs;
    return false;
  }

  gone(): void {
    while (this.running.length > 0) this.running.pop()!.clientGone();
  }
}

export const parseRanges = (cidrs: readonly string[]): readonly Range[] =>
  cidrs.map(cidr => ipaddr.parseCIDR(cidr));

function isWithin(ip: string, ranges: readonly Range[]): boolean {
  if (!ipaddr.isValid(ip)) return false;
  const address = ipaddr.process(ip);
  return ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits));
}
