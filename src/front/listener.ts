// The listening sockets, and a connection's way from there to the doors, stage by stage: accepted -> PROXY header, where the
// peer sends one (proxy-stage.ts) -> its address is known -> it is counted -> TLS, where the address has it (tls.ts) -> the
// doors (data-plane.ts). Each stage ends in a call of the next one: at once, or when it has read what it needs, and until
// then the connection waits among the arrivals (arrivals.ts). A connection is counted once and keeps its place to its end.

import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Config } from '../config/fields.ts';
import type { Address } from '../core/address.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { HandshakeEnd, Tally } from '../routing/tally.ts';
import { Arrivals } from './arrivals.ts';
import type { ConnectionLimits } from './limits.ts';
import { Peer, PeerRules } from './peer.ts';
import { ProxyStage } from './proxy-stage.ts';
import { TlsStage } from './tls.ts';

/** Connections that the kernel keeps for a worker until it accepts them. */
const BACKLOG = 4096;
/** A listening socket that the primary made (cluster/sockets.ts), or where to make one. */
export type ListeningOn = object | ListenOptions;

export interface ListenerOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: ConnectionLimits;
  readonly handshakes: Tally<HandshakeEnd>;
  /** What the doors speak now, the best first. */
  readonly protocols: () => readonly string[];
  /** The doors: what comes from `socket` now is the client's plain text. They tell `left` when it is closed. */
  readonly toDoors: (socket: Socket, peer: Peer) => void;
}

export class Listener {
  readonly arrivals: Arrivals;
  readonly tls: TlsStage;
  readonly #clock: Clock;
  readonly #rules: PeerRules;
  readonly #limits: ConnectionLimits;
  readonly #proxies: ProxyStage;
  readonly #toDoors: ListenerOptions['toDoors'];
  readonly #servers = new Set<Server>();
  /** Connections, since the start. */
  accepted = 0;

  constructor({ config, clock, log, limits, handshakes, protocols, toDoors }: ListenerOptions) {
    this.#clock = clock;
    this.#rules = new PeerRules(config);
    this.#limits = limits;
    this.#toDoors = toDoors;
    this.arrivals = new Arrivals(
      config,
      peer => this.left(peer),
      () => limits.refuse('handshakes'),
    );
    this.#proxies = new ProxyStage({
      log,
      arrivals: this.arrivals,
      next: (socket, peer) => this.#known(socket, peer),
    });
    this.tls = new TlsStage({
      config,
      log,
      handshakes,
      arrivals: this.arrivals,
      protocols,
      next: toDoors,
    });
  }

  configure(config: Config): void {
    this.#rules.configure(config);
    this.arrivals.configure(config);
    this.tls.configure();
  }

  /** For what comes by `address`. What it resolves with ends it: accepts no more from there. */
  listen(address: Address, on: ListeningOn): Promise<() => void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket =>
      this.#accepted(socket, address),
    );
    this.#servers.add(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(on, BACKLOG, () => {
        server.off('error', reject);
        resolve(() => {
          this.#servers.delete(server);
          server.close();
        });
      });
    });
  }

  sweep(nowMs: number): void {
    this.arrivals.sweep(nowMs);
    this.#proxies.sweep(nowMs);
    this.tls.sweep(nowMs);
  }

  /** Accepts no more; what arrives goes on. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  /** The connection is closed and has no place any more. */
  left(peer: Peer): void {
    this.#limits.leave(peer.countedAs);
  }

  #accepted(socket: Socket, address: Address): void {
    this.accepted++;
    if (!this.#limits.enter()) {
      socket.destroy();
      return;
    }
    const peer = new Peer(this.#rules, address, socket.remoteAddress ?? '', this.#clock.nowMs());
    if (peer.isProxy) this.#proxies.take(socket, peer);
    else this.#known(socket, peer);
  }

  /** `peer.ip` is whom torc has to do with. */
  #known(socket: Socket, peer: Peer): void {
    peer.countedAs = this.#limits.clientOf(peer.ip, peer.trusted);
    if (!this.#limits.enterClient(peer.countedAs)) {
      this.#limits.leave('');
      socket.destroy();
    } else if (peer.at.tls) this.tls.take(socket, peer);
    else this.#toDoors(socket, peer);
  }
}
