// TLS to one replica: whom to believe (core/trust.ts), and the session of the last connection, with which the next one spares
// both sides the signature and its check (RFC 8446 section 2.2). A session is only kept once its certificate was found good,
// and for the replica that gave it.

import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { verifying } from '../core/trust.ts';
import type { ReplicaTls } from '../core/types.ts';

export class TlsClient {
  readonly #tls: ReplicaTls;
  readonly #clock: Clock;
  #session: Buffer | undefined;

  constructor(tls: ReplicaTls, clock: Clock) {
    this.#tls = tls;
    this.#clock = clock;
  }

  /** `protocols`: what may be spoken inside, for ALPN. */
  connect(options: ConnectionOptions, protocols: readonly string[]): TLSSocket {
    const socket = connect({
      ...options,
      ...verifying(this.#tls, this.#clock.nowMs()),
      ALPNProtocols: [...protocols],
      session: this.#session,
    });
    socket.on('session', session => {
      this.#session = session;
    });
    return socket;
  }

  /** The next connection begins anew. */
  forget(): void {
    this.#session = undefined;
  }
}
