// The TLS stage of a connection's way (listener.ts): the handshake. Node's tls.Server does it, given the accepted sockets
// one by one, so it has no socket of its own; certificates and ticket keys come from the primary and hold for the handshakes
// that begin after that. What it finds out is written to the Peer: https, the protocol agreed on, whose certificate.
// A handshake calls back only for what is not known before it: each call out of OpenSSL is one of its dearer steps here. So
// another certificate, or another list of protocols, is another Server.

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TlsOptions as ServerOptions,
  type TLSSocket,
} from 'node:tls';
import type { Config } from '../config/fields.ts';
import type { Log } from '../core/log.ts';
import type { TlsMaterial } from '../core/tls-material.ts';
import type { HandshakeEnd, Tally } from '../routing/tally.ts';
import type { Arrivals } from './arrivals.ts';
import { certificateFields } from './client-certificate.ts';
import type { Peer } from './peer.ts';
import { ServerNames } from './server-names.ts';
import { SessionTickets } from './session-tickets.ts';
import { PROFILE } from './tls-profile.ts';

const TELL_EVERY_MS = 60_000;

export interface TlsOptions {
  readonly config: Config;
  readonly log: Log;
  readonly handshakes: Tally<HandshakeEnd>;
  readonly arrivals: Arrivals;
  /** What the doors speak now, the best first (ALPN, RFC 7301). */
  readonly protocols: () => readonly string[];
  /** The handshake is done. */
  readonly next: (socket: Socket, peer: Peer) => void;
}

interface AcceptedSocket extends Socket {
  peer?: Peer;
}

/** Node says so of each TLSSocket that is put around another one. */
interface Wrapped extends TLSSocket {
  readonly _parent: AcceptedSocket;
}

/** The server's context for clients without a name that is known. */
interface Inside {
  _sharedCreds: SecureContext;
}

export class TlsStage {
  readonly #options: TlsOptions;
  readonly #tickets = new SessionTickets();
  #material: TlsMaterial | null = null;
  #server: Server | null = null;
  /** Handshakes that failed since the last line, and the latest of them. */
  #untold = 0;
  #latest = { ip: '', reason: '' };
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TlsOptions) {
    this.#options = options;
  }

  /** For the handshakes that begin from now on. */
  use(material: TlsMaterial): void {
    const { tlsTicketRotationMs, tlsClient } = this.#options.config;
    const { certificates, clientCa } = material;
    const shared = {
      ...PROFILE,
      // An empty list: without one Node reads all of the system's authorities, whom nobody asks here.
      ca: clientCa ?? [],
      sessionTimeout: Math.ceil((2 * tlsTicketRotationMs) / 1000),
      // A session tells whose certificate was shown: it is none under other authorities.
      sessionIdContext: digest(`${tlsClient} ${clientCa}`),
    };
    const { cert, key } = certificates[0]!;
    const server = this.#makeServer({
      ...{ ...shared, cert, key },
      // Where there is none in common the handshake fails, as RFC 7301 section 3.2 wants it.
      ALPNProtocols: [...this.#options.protocols()],
      requestCert: clientCa !== null,
      rejectUnauthorized: clientCa !== null && tlsClient === 'require',
      // The arrivals' bound holds; 0 would be Node's own.
      handshakeTimeout: -1,
      ...(certificates.length > 1 ? { SNICallback: this.#byName(material, shared) } : {}),
    });
    this.#tickets.install((server as unknown as Inside)._sharedCreds);
    this.#material = material;
    this.#server = server;
  }

  /** The settings are others. */
  configure(): void {
    if (this.#material !== null) this.use(this.#material);
  }

  #byName({ certificates }: TlsMaterial, shared: SecureContextOptions): ServerOptions['SNICallback'] {
    const byName = new ServerNames<SecureContext>();
    for (const { cert, key, names } of certificates) {
      const context = createSecureContext({ ...shared, cert, key });
      this.#tickets.install(context);
      byName.add(names, context);
    }
    return (name, done) => done(null, byName.find(name) ?? undefined);
  }

  /** Newest first. Tickets under others are void: their clients make a whole handshake. */
  useTicketKeys(keys: readonly Uint8Array[]): void {
    this.#tickets.use(keys);
  }

  take(socket: Socket, peer: Peer): void {
    if (this.#server === null) {
      this.#options.arrivals.leave(socket, peer);
      return;
    }
    (socket as AcceptedSocket).peer = peer;
    // Who closes its half before it is known has left.
    socket.allowHalfOpen = false;
    this.#options.arrivals.add(socket, peer);
    this.#server.emit('connection', socket);
  }

  #makeServer(options: ServerOptions): Server {
    const server = createServer(options);
    server.on('secureConnection', socket => this.#secured(socket, options.requestCert === true));
    server.on('tlsClientError', (error, socket) =>
      this.#fail(certificateFault(socket) || error.message, socket),
    );
    return server;
  }

  #secured(socket: TLSSocket, wasAsked: boolean): void {
    const accepted = (socket as Wrapped)._parent;
    const peer = accepted.peer!;
    const certificate = wasAsked ? socket.getPeerX509Certificate() : undefined;
    if (certificate !== undefined && !socket.authorized) {
      this.#fail(certificateFault(socket), socket);
      socket.destroy();
      return;
    }
    this.#options.handshakes[socket.isSessionReused() ? 'resumed' : 'full']++;
    this.#options.arrivals.remove(accepted);
    socket.allowHalfOpen = true;
    peer.scheme = 'https';
    peer.protocol = socket.alpnProtocol || '';
    if (certificate !== undefined) peer.fields = certificateFields(certificate);
    this.#options.next(socket, peer);
  }

  #fail(reason: string, socket: TLSSocket): void {
    this.#options.handshakes.failed++;
    this.#untold++;
    this.#latest = { ip: (socket as Wrapped)._parent.peer!.ip, reason };
  }

  /** Tells what failed, at most once a minute: anybody can have it fail. */
  sweep(nowMs: number): void {
    if (this.#untold === 0 || nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    const { ip, reason } = this.#latest;
    this.#options.log.info(
      { failed: this.#untold, ip, reason },
      `TLS handshakes that failed: ${this.#untold}, the latest of ${ip}: ${reason}`,
    );
    this.#untold = 0;
    this.#toldAtMs = nowMs;
  }
}

/**
 * What is wrong with a client's certificate, or ''. Where one is required Node ends the connection itself, without an alert, and calls it
 * "socket hang up": OpenSSL was told to take every certificate, and that one was judged behind the handshake.
 */
const certificateFault = ({ authorizationError }: TLSSocket): string =>
  authorizationError ? `the client's certificate: ${authorizationError}` : '';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);
