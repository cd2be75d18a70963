// The data plane's front: a raw node:http server. It takes connections, hands control requests to the admin gateway and
// all others to an Exchange, answers what never became a request, sweeps deadlines, and drains.
//
// Draining loses no accepted request: accepting stops first; then whatever is on the wire of a kept-alive connection is
// still served (with `connection: close`) during a short lame-duck time, because a client cannot know that the
// connection it just used is about to close; then idle connections go; streams and tunnels have the grace.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Config } from '../config/fields.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { seededRandom } from '../core/random.ts';
import type { SuspectHint } from '../core/types.ts';
import type { Counters } from '../routing/counters.ts';
import type { SnapshotHolder } from '../routing/snapshot.ts';
import { Client, parseRanges } from './client.ts';
import { FaultLog } from './fault-log.ts';
import { Exchange, ProxyRequest, ProxyResponse, type Shared } from './forward.ts';
import { rawError } from './reply.ts';

/** 16 KiB of fields and an 8 KiB target pass, with room. */
const MAX_HEAD_BYTES = 32 * 1024;
/** Client connections of one worker; beyond them new ones are dropped rather than taken and not served. */
const MAX_CONNECTIONS = 16_384;
/** Connections that the kernel keeps for a worker until it accepts them. */
const BACKLOG = 4096;
/**
 * Each worker has a listening socket of its own and the kernel deals connections out evenly (SO_REUSEPORT). With
 * node:cluster's round robin every connection goes through the primary, and one that is handed to a worker in the
 * moment of its death hangs for ever: the primary's copy stays open (seen: 60 s until the client gave up).
 */
const CAN_REUSE_PORT = process.platform === 'linux';
const LAME_DUCK_MS = 500;
const DRAIN_POLL_MS = 20;

export interface AdminGateway {
  handle(request: IncomingMessage, response: ServerResponse): void;
}

export interface ProxyOptions {
  readonly config: Config;
  readonly snapshots: SnapshotHolder;
  readonly counters: Counters;
  readonly admin: AdminGateway;
  readonly suspect: (hint: SuspectHint) => void;
  readonly log: Log;
}

export interface DataPlane {
  listen(host: string, port: number): Promise<void>;
  /** Resolves when every connection is closed, at the latest after the grace. */
  drain(graceMs: number): Promise<void>;
}

/** A client's socket knows its Client: nothing is looked up per request. */
interface ClientSocket extends Socket {
  client?: Client;
}

export const createProxy = (options: ProxyOptions): DataPlane => new ProxyServer(options, systemClock);

class ProxyServer implements DataPlane {
  readonly #server: Server<typeof ProxyRequest, typeof ProxyResponse>;
  readonly #shared: Shared;
  readonly #admin: AdminGateway;
  readonly #clients = new Set<Client>();
  readonly #sweepMs: number;
  #sweep: NodeJS.Timeout | null = null;

  constructor({ config, snapshots, counters, admin, suspect, log }: ProxyOptions, clock: Clock) {
    this.#admin = admin;
    this.#shared = {
      config,
      snapshots,
      counters,
      suspect,
      log,
      clock,
      faults: new FaultLog(log),
      random: seededRandom(process.pid ^ clock.wallMs()),
      running: [],
      inFlight: 0,
      retriesInFlight: 0,
      draining: false,
      date: '',
      soonMs: 0,
    };
    // Late by an eighth of the shortest timeout at most.
    const shortestMs = Math.min(config.connectTimeoutMs, config.responseTimeoutMs, config.idleTimeoutMs);
    this.#sweepMs = Math.min(250, Math.max(5, shortestMs / 8));
    this.#sweepDeadlines();
    const ranges = parseRanges(config.trustedProxies);
    this.#server = createServer({
      IncomingMessage: ProxyRequest,
      ServerResponse: ProxyResponse,
      insecureHTTPParser: false,
      // A missing host is refused with all other faults of a head, in torc's own words.
      requireHostHeader: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: config.headerTimeoutMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(config.headerTimeoutMs / 4)),
      // Swept with all other deadlines: Node would set and clear a timer per request.
      keepAliveTimeout: 0,
      noDelay: true,
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: hasNoBody,
    });
    const server = this.#server;
    server.maxHeadersCount = 0;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket: ClientSocket) => this.#onConnection(socket, new Client(socket, ranges)));
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('checkContinue', (request, response) => this.#onRequest(request, response));
    server.on('checkExpectation', (request, response) => this.#onRequest(request, response));
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as ClientSocket, head));
    server.on('connect', (_request, socket) => this.#refuse(socket as ClientSocket, 'CONNECT_REFUSED'));
    server.on('clientError', (error, socket) => this.#onClientError(error, socket as ClientSocket));
  }

  listen(host: string, port: number): Promise<void> {
    const server = this.#server;
    this.#sweep = setInterval(() => this.#sweepDeadlines(), this.#sweepMs);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: BACKLOG, reusePort: CAN_REUSE_PORT }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  async drain(graceMs: number): Promise<void> {
    const { clock } = this.#shared;
    const deadlineMs = clock.nowMs() + graceMs;
    const lameDuckUntilMs = clock.nowMs() + Math.min(LAME_DUCK_MS, graceMs);
    this.#shared.draining = true;
    // The kernel resets what waits in the queue of a closed socket; right after a poll that queue has just been emptied.
    await new Promise(resolve => setImmediate(resolve));
    // net's close only stops accepting; http's would cut idle connections, and requests on their way with them.
    NetServer.prototype.close.call(this.#server);
    while (this.#clients.size > 0 && clock.nowMs() < deadlineMs) {
      if (clock.nowMs() >= lameDuckUntilMs) this.#server.closeIdleConnections();
      await new Promise<void>(resolve => clock.after(DRAIN_POLL_MS, resolve));
    }
    for (const client of this.#clients) client.socket.destroy();
    this.#server.closeAllConnections();
    if (this.#sweep !== null) clearInterval(this.#sweep);
  }

  #onConnection(socket: ClientSocket, client: Client): void {
    socket.client = client;
    this.#clients.add(client);
    socket.on('close', () => {
      this.#clients.delete(client);
      client.gone();
    });
  }

  #onRequest(request: ProxyRequest, response: ProxyResponse): void {
    if (isControl(request.method!, request.url!)) {
      this.#onControl(request, response);
      return;
    }
    const { client } = request.socket as ClientSocket;
    new Exchange(this.#shared, client!, request, response, '').start();
  }

  #onControl(request: ProxyRequest, response: ProxyResponse): void {
    if (this.#shared.draining) response.shouldKeepAlive = false;
    const client = (request.socket as ClientSocket).client!;
    client.idleSinceMs = Number.POSITIVE_INFINITY;
    response.on('close', () => {
      client.idleSinceMs = this.#shared.soonMs;
    });
    this.#admin.handle(request, response);
  }

  /** The answer goes through an ordinary response until it is a 101: refusals are plain answers. */
  #onUpgrade(request: ProxyRequest, socket: ClientSocket, head: Buffer): void {
    const { client } = socket;
    if (client === undefined || client.running.length > 0) {
      // Answers of earlier, pipelined requests are still to come; the order could not be kept.
      socket.destroy();
      return;
    }
    if (head.length > 0) socket.unshift(head);
    const response = new ProxyResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    socket.on('error', () => socket.destroy());
    new Exchange(this.#shared, client, request, response, request.headers.upgrade ?? '').start();
  }

  #onClientError(error: NodeJS.ErrnoException, socket: ClientSocket): void {
    const { client } = socket;
    if (error.code === 'ECONNRESET' || !socket.writable || client === undefined) {
      socket.destroy();
      return;
    }
    const code = clientFaultOf(error.code);
    const last = client.running.at(-1);
    if (last instanceof Exchange && last.uploading) last.broken(code);
    else if (last instanceof Exchange) last.whenAnswered(() => this.#refuse(socket, code));
    else this.#refuse(socket, code);
  }

  #refuse(socket: ClientSocket, code: ProxyErrorCode): void {
    this.#shared.counters.error(code);
    socket.on('error', () => socket.destroy());
    socket.end(rawError(code), 'latin1', () => socket.destroySoon());
  }

  #sweepDeadlines(): void {
    const { running, clock } = this.#shared;
    const nowMs = clock.nowMs();
    this.#shared.soonMs = nowMs + this.#sweepMs;
    this.#shared.date = new Date(clock.wallMs()).toUTCString();
    // Backwards, because one that expires may leave, and then the last takes its place.
    for (let index = running.length - 1; index >= 0; index--) {
      const exchange = running[index];
      if (exchange !== undefined && exchange.deadlineMs <= nowMs) exchange.expired();
    }
    const idleSinceMs = nowMs - this.#shared.config.idleTimeoutMs;
    for (const client of this.#clients) if (client.isIdle(idleSinceMs, nowMs)) client.socket.destroy();
  }
}

function clientFaultOf(code: string | undefined): ProxyErrorCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEAD_TOO_LARGE';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  return 'BAD_REQUEST';
}

/** A request that asks for an upgrade and has a body of its own is served as if it had not asked (RFC 9110 section 7.8). */
function hasNoBody(request: IncomingMessage): boolean {
  const { headers } = request;
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
}

/** What tells most targets apart before anything is cut. */
const CONTROL = /^\/(?:rep|rm|add|admin|metrics|requests\/)/;

/** Exactly the control requests of CONTRACT.md; the target's path is compared, in origin or absolute form. */
export function isControl(method: string, target: string): boolean {
  if (target.charCodeAt(0) === 0x2f && !CONTROL.test(target)) return false;
  const path = pathOf(target);
  const reads = method === 'GET' || method === 'HEAD';
  if (path === '/rep' || path === '/metrics') return reads;
  if (path === '/add') return method === 'POST';
  if (path === '/rm') return method === 'DELETE';
  if (path.startsWith('/requests/')) return reads && path.length > 10 && !path.includes('/', 10);
  return path === '/admin' || path.startsWith('/admin/');
}

function pathOf(target: string): string {
  const origin = target.charCodeAt(0) === 0x2f ? target : target.replace(/^https?:\/\/[^/?#]*/i, '');
  const end = origin.search(/[?#]/);
  return end === -1 ? origin : origin.slice(0, end);
}
