// The listener for the control endpoints alone (TORC_ADMIN_PORT, TORC_ADMIN_LISTEN): a plain node:http server in the
// primary, which also answers when no worker does. Requests take the same way as those of the public port, through a
// relay and a hub that are put back to back here, so bounds, deadlines and rules are written once; a connection has one
// at a time, so that pipelined answers are true in their order. A socket file is made
// for its owner alone, and one that a crash left behind is taken over when nobody answers on it.

import type { SendHandle } from 'node:child_process';
import { rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { AdminAddress } from '../config/admin-address.ts';
import type { Clock } from '../core/clock.ts';
import { type ProxyErrorCode, StartError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { RareLine } from '../core/rare-line.ts';
import type { Keeper } from '../core/succession.ts';
import { rawError } from '../exchange/reply.ts';
import { give, holdBack, isAhead, MOST_OWED, packetsOf } from '../front/lane.ts';
import { type AdminHandler, AdminHub } from './hub.ts';
import { listenFault } from './listen.ts';
import { AdminRelay } from './relay.ts';
import { checkSocket } from './socket-file.ts';
import { bindTo, type Handle, type Inherited, placeOf } from './sockets.ts';

export interface AdminListenerOptions {
  readonly clock: Clock;
  /** For the head of a request, and for its body. */
  readonly timeoutMs: number;
  readonly onAdmin: AdminHandler;
  readonly log: Log;
}

const MOST_CONNECTIONS = 512;
const MOST_CONNECTIONS_PER_PEER = MOST_CONNECTIONS / 2;
const DROPPED_EVERY_MS = 10_000;
const MAX_HEAD_BYTES = 32 * 1024;
/** For a client that was refused to read why. */
const LINGER_MS = 1_000;
/** Of what a socket file may not have: it is made for its owner alone. */
const OWNER_ONLY = 0o177;

export class AdminListener {
  readonly #server: Server;
  readonly #hub: AdminHub;
  readonly #relay: AdminRelay<ServerResponse>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #dropped: RareLine;
  readonly #refused = new WeakSet<Socket>();
  /** Connections by peer, and each one's peer. */
  readonly #connections = new Map<string, number>();
  readonly #peers = new WeakMap<Socket, string>();
  /** What came behind a request that was not answered. */
  readonly #parked = new Map<Socket, readonly Buffer[]>();
  readonly #address: AdminAddress;
  #handle: Handle | null = null;
  /** Who keeps the socket; null: torc made it. */
  #keeper: Keeper | null = null;
  /** The file of its socket is another torc's. */
  keepsFile = false;

  constructor(address: AdminAddress, { clock, timeoutMs, onAdmin, log }: AdminListenerOptions) {
    this.#address = address;
    this.#clock = clock;
    this.#log = log;
    this.#dropped = new RareLine(clock, DROPPED_EVERY_MS, (refused, seconds) =>
      log.warn(
        { refused },
        `${refused} more connections to the control side's listener were refused in ${seconds} s`,
      ),
    );
    const relay = new AdminRelay<ServerResponse>({
      send: message => this.#hub.onMessage(message),
      clock,
      bodyTimeoutMs: timeoutMs,
      log,
    });
    this.#relay = relay;
    this.#hub = new AdminHub(onAdmin, message => relay.onMessage(message));
    this.#server = createServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: timeoutMs,
      requestTimeout: 0,
      connectionsCheckingInterval: 1000,
      // Refused with the other faults of a head, in torc's own words.
      requireHostHeader: false,
    });
    this.#server.maxConnections = MOST_CONNECTIONS;
    // @types/node does not know it; without it an answer is cut for a client that has said all it had to say.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#server.maxHeadersCount = 0;
    const onRequest: RequestListener = (request, response) => this.#onRequest(request, response);
    this.#server.on('request', onRequest);
    // The relay sends 100 (Continue) itself, once the head may have a body.
    this.#server.on('checkContinue', onRequest);
    this.#server.on('checkExpectation', onRequest);
    this.#server.on('connection', socket => this.#onConnection(socket));
    this.#server.on('drop', () => this.#tellDropped(MOST_CONNECTIONS, ''));
    this.#server.on('connect', (request, socket, rest) => {
      if (isAhead(request)) this.#parked.set(socket as Socket, packetsOf(request, rest));
      else this.#refuse(socket as Socket, 'CONNECT_REFUSED');
    });
    this.#server.on('upgrade', (request, socket, rest) =>
      this.#parked.set(socket as Socket, packetsOf(request, rest)),
    );
    this.#server.on('clientError', (error, socket) =>
      this.#refuse(socket as Socket, faultOf[(error as NodeJS.ErrnoException).code ?? ''] ?? 'BAD_REQUEST'),
    );
  }

  configure(timeoutMs: number): void {
    this.#server.headersTimeout = timeoutMs;
    this.#relay.bodyTimeoutMs = timeoutMs;
  }

  /** Also for one that is given back to the server, with what came behind a request (`#onRequest`). */
  #onConnection(socket: Socket): void {
    if (!this.#peers.has(socket)) {
      const peer = socket.remoteAddress ?? '';
      const count = (this.#connections.get(peer) ?? 0) + 1;
      if (count > MOST_CONNECTIONS_PER_PEER) {
        this.#tellDropped(MOST_CONNECTIONS_PER_PEER, peer);
        socket.destroy();
        return;
      }
      this.#connections.set(peer, count);
      this.#peers.set(socket, peer);
      // Whoever has it meanwhile (node:http takes its own away with a CONNECT), a reset must not find nobody.
      socket.on('error', () => socket.destroy());
      socket.once('close', () => this.#onClosed(socket, peer));
    }
    holdBack(socket, () => (this.#relay.lastAnswerOf(socket) === null ? 0 : MOST_OWED));
  }

  #onClosed(socket: Socket, peer: string): void {
    const count = this.#connections.get(peer)! - 1;
    if (count > 0) this.#connections.set(peer, count);
    else this.#connections.delete(peer);
    this.#parked.delete(socket);
    this.#relay.left(socket);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (request.httpVersionMajor !== 1) {
      this.#refuse(socket, 'BAD_REQUEST');
      return;
    }
    // Not at once: a connection that has sent a thousand must not have them all answered within one turn.
    response.once('close', () => setImmediate(() => this.#readOn(socket, response.shouldKeepAlive)));
    this.#relay.handle(request, response, {
      ip: this.#peers.get(socket) ?? '',
      isTold: false,
      at: { host: 'path' in this.#address ? this.#address.path : this.#address.host },
    });
  }

  #readOn(socket: Socket, keepsAlive: boolean): void {
    if (this.#relay.lastAnswerOf(socket) !== null) return;
    const packets = this.#parked.get(socket);
    this.#parked.delete(socket);
    if (packets !== undefined && socket.writable && keepsAlive) give(this.#server, socket, packets);
  }

  #tellDropped(limit: number, peer: string): void {
    if (this.#dropped.isDue())
      this.#log.warn(
        { limit, peer },
        `a connection to the control side's listener was refused: ${peer === '' ? 'it' : peer} has its most, ${limit}`,
      );
  }

  /** For a successor: its listening socket. */
  get socket(): { readonly place: string; readonly handle: SendHandle; readonly keeper: Keeper | null } {
    return { place: this.#place, handle: this.#handle!, keeper: this.#keeper };
  }

  get #place(): string {
    const address = this.#address;
    return 'path' in address ? address.path : placeOf(address);
  }

  /** Rejects with StartError when the address cannot be had. `inherited`: a listening socket that somebody else has made. */
  async listen(inherited: (Inherited & { readonly place: string }) | null = null): Promise<void> {
    const address = this.#address;
    const isOurs = inherited?.place === this.#place;
    if (!isOurs) (inherited?.handle as Handle | undefined)?.close();
    if (!isOurs && 'path' in address) {
      await checkSocket(address.path, 'TORC_ADMIN_LISTEN');
      rmSync(address.path, { force: true });
    }
    try {
      this.#handle = isOurs ? (inherited.handle as Handle) : await this.#bind();
      this.#keeper = isOurs ? inherited.keeper : null;
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(this.#handle, resolve);
      });
    } catch (error) {
      throw new StartError(listenFaultOf(address, error));
    }
  }

  async #bind(): Promise<Handle> {
    const address = this.#address;
    if (!('path' in address)) return bindTo(address.host, address.port);
    const before = process.umask(OWNER_ONLY);
    const bound = bindTo(address.path, 0); // the file is made by now
    process.umask(before);
    return bound;
  }

  /** The last thing that the connection gets, behind the answers that it is owed; nothing of it is read any more. */
  #refuse(socket: Socket, code: ProxyErrorCode): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const refuse = (): void => {
      socket.end(rawError(code), 'latin1');
      this.#clock.after(LINGER_MS, () => socket.destroy());
    };
    const last = this.#relay.lastAnswerOf(socket);
    // One that waits for a broken body would wait for ever.
    if (last === null || !last.req.complete) refuse();
    else last.once('finish', refuse);
  }

  /** A successor has its socket: what is under way here is finished. */
  handOn(): void {
    this.keepsFile = true;
    this.#server.close();
  }

  close(): void {
    if (!this.keepsFile && this.#keeper === null && 'path' in this.#address)
      rmSync(this.#address.path, { force: true });
    this.#hub.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** What node:http's parser or its timeouts say; anything else is a malformed request. */
const faultOf: Readonly<Record<string, ProxyErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEAD_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

function listenFaultOf(address: AdminAddress, error: unknown): string {
  if ('path' in address)
    return `cannot listen on unix:${address.path} (${(error as NodeJS.ErrnoException).code}): set TORC_ADMIN_LISTEN to a path in a directory of this user`;
  return listenFault(address.host, address.port, error, 'TORC_ADMIN_PORT', 'TORC_ADMIN_LISTEN');
}
