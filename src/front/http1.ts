// The door of node:http: takes a connection that is HTTP/1.1 in any shape its parser reads, hands control requests to the
// admin gateway and makes an exchange of each other one. Here is what node:http does its own way with requests: pipelining,
// upgrades, expectations; with answers, http1-downstream.ts.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Config } from '../config/fields.ts';
import { isControl } from '../core/control-path.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import { trimOws } from '../core/ows.ts';
import { buildRequestHead, RequestHead } from '../exchange/headers.ts';
import type { Shared } from '../exchange/shared.ts';
import type { Client, ClientSocket, Waiting } from './client.ts';
import { ClientErrors } from './client-errors.ts';
import type { AdminGateway } from './control.ts';
import { hasLength, ProxyRequest, ProxyResponse } from './http-messages.ts';
import { Http1Downstream } from './http1-downstream.ts';
import { give, isAhead, isBetweenMessages, packetsOf } from './lane.ts';

/** 16 KiB of fields and an 8 KiB target pass, with room. */
const MAX_HEAD_BYTES = 32 * 1024;

const LF = 10;

// Filled and read within one call: no two requests are ever in it at once.
const requestHead = new RequestHead();

export class Http1Door {
  readonly server: Server<typeof ProxyRequest, typeof ProxyResponse>;
  readonly #shared: Shared;
  readonly #admin: AdminGateway;
  readonly #errors: ClientErrors;
  readonly #toExpress: (client: Client) => void;

  /**
   * `renew`: the connection of this Client gets another one. `toExpress`: takes it back into the raw lane.
   */
  constructor(
    shared: Shared,
    admin: AdminGateway,
    renew: (client: Client) => Client,
    toExpress: (client: Client) => void,
  ) {
    this.#shared = shared;
    this.#admin = admin;
    this.#toExpress = toExpress;
    this.server = makeServer(shared);
    this.configure(shared.config);
    this.#errors = new ClientErrors(this.server, shared, renew);
    const { server } = this;
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('checkContinue', (request, response) => this.#onRequest(request, response));
    server.on('checkExpectation', (request, response) => this.#onRequest(request, response));
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as ClientSocket, head));
    server.on('connect', (request, socket, rest) => {
      if (isAhead(request)) this.#errors.readLater(socket as ClientSocket, packetsOf(request, rest));
      else this.#errors.refuseInTurn(socket as ClientSocket, 'CONNECT_REFUSED');
    });
    server.on('clientError', (error, socket) => this.#errors.onError(error, socket as ClientSocket));
  }

  /** Node looks at the timeouts of heads at an interval, which it sets when its server "listens"; this one is given its connections. */
  configure({ headerTimeoutMs }: Config): void {
    const connectionsCheckingInterval = Math.min(1000, Math.ceil(headerTimeoutMs / 4));
    Object.assign(this.server, { headersTimeout: headerTimeoutMs, connectionsCheckingInterval });
    this.server.emit('listening');
  }

  /** Reads the connection from here on, `bytes` first. */
  take(client: Client, bytes: Buffer): void {
    client.messagesBegun = 0;
    client.requestsRead = 0;
    client.parsedFromByte = client.socket.bytesRead - bytes.length;
    const lineEnd = bytes.indexOf(LF);
    client.beginsWithinLine = bytes.length === 0 ? null : lineEnd === -1 || lineEnd >= MAX_HEAD_BYTES;
    give(this.server, client.socket, [bytes]);
  }

  close(): void {
    this.server.closeAllConnections();
    // It listens to nothing; this ends its look at the timeouts of heads.
    this.server.close();
  }

  /** The last thing that the connection gets, behind the answers that it is owed. */
  refuse(client: Client, code: ProxyErrorCode): void {
    this.#errors.refuseInTurn(client.socket, code);
  }

  /** A request was answered: is there anything left that the raw lane could not do? Looked at when the bytes have left. */
  answered(client: Client): void {
    if (this.#shared.config.express === 'on') setImmediate(goBack, client.socket, this.#toExpress);
  }

  #onRequest(request: ProxyRequest, response: ProxyResponse): void {
    const client = (request.socket as ClientSocket).client!;
    client.requestsRead++;
    client.beginsWithinLine = null;
    if (response.socket === null) this.#wait(client, { request, response });
    else this.#serve(client, request, response);
  }

  #serve(client: Client, request: ProxyRequest, response: ProxyResponse): void {
    if (client.closing) return;
    if (client.method !== '') restoreMethod(request, client);
    if (isWhole(request) && isControl(request.url!, this.#shared.config.adminPaths))
      this.#onControl(request, response, client);
    else this.#begin(client, request, response, '');
  }

  #begin(client: Client, request: ProxyRequest, response: ProxyResponse, upgrade: string): void {
    const { rawHeaders } = request;
    const target = request.url!;
    const version = request.httpVersionMinor === 1 ? '1.1' : '1.0';
    const head = requestHead;
    const method = request.method!;
    const { peer } = client;
    let fault = buildRequestHead(method, target, rawHeaders, version, upgrade, peer, 'torc', head);
    if (peer.at.redirect !== null && head.host === '') fault ||= 'no host to be redirected to';
    if (!isWhole(request)) fault = 'not HTTP/1.1, or its body is broken';
    const downstream = new Http1Downstream(this.#shared, this, client, request, response, upgrade);
    client.running.push(downstream);
    if (fault === '' && (head.chunked || head.contentLength > 0)) downstream.readBody();
    const address = peer.trusted ? peer.addressOf(rawHeaders) : peer.ip;
    const { redirect } = peer.at;
    if (redirect !== null && fault === '') downstream.exchange.redirect(head, target, redirect);
    else downstream.exchange.start(head, fault, target, rawHeaders, address);
  }

  /**
   * Pipelined requests are served one at a time: those behind an unsafe one must wait (RFC 9112 section 9.3.2), an answer
   * whose turn has not come would have to be kept whole in memory, and Node writes what comes early out of order (a 103
   * of the second answer was seen inside the first body). A response gets its socket when its turn has come.
   */
  #wait(client: Client, waiting: Waiting): void {
    client.waiting.push(waiting);
    waiting.response.once('socket', () => {
      client.waiting.shift();
      this.#serve(client, waiting.request, waiting.response);
    });
  }

  #onControl(request: ProxyRequest, response: ProxyResponse, client: Client): void {
    if (this.#shared.draining) response.shouldKeepAlive = false;
    client.idleSinceMs = Number.POSITIVE_INFINITY;
    client.control = response;
    response.on('finish', () => {
      client.control = null;
      client.closing ||= !response.shouldKeepAlive;
    });
    response.on('close', () => {
      client.idleSinceMs = this.#shared.soonMs;
      this.answered(client);
    });
    this.#admin.handle(request, response, client.peer);
  }

  /** The answer goes through an ordinary response until it is a 101: refusals are plain answers, and HTTP goes on. */
  #onUpgrade(request: ProxyRequest, socket: ClientSocket, head: Buffer): void {
    if (isAhead(request)) {
      this.#errors.readLater(socket, packetsOf(request, head));
      return;
    }
    const client = socket.client!;
    client.requestsRead++;
    if (client.closing) return;
    if (head.length > 0) socket.unshift(head);
    const response = new ProxyResponse(request);
    response.shouldKeepAlive = !/(?:^|[ \t,])close(?:[ \t,]|$)/i.test(request.allHeaders.connection ?? '');
    if (client.method !== '') restoreMethod(request, client);
    response.assignSocket(socket);
    response.on('finish', () => {
      response.detachSocket(socket);
      if (client.closing) socket.end();
      else this.#errors.readAgain(client, [], '');
    });
    this.#begin(client, request, response, offered(request.headers.upgrade));
  }
}

function makeServer(shared: Shared): Server<typeof ProxyRequest, typeof ProxyResponse> {
  const server = createServer({
    IncomingMessage: ProxyRequest,
    ServerResponse: ProxyResponse,
    insecureHTTPParser: false,
    // A missing host is refused with all other faults of a head, in torc's own words.
    requireHostHeader: false,
    maxHeaderSize: MAX_HEAD_BYTES,
    requestTimeout: 0,
    // Swept with all other deadlines: Node would set and clear a timer per request.
    keepAliveTimeout: 0,
    noDelay: true,
    optimizeEmptyRequests: true,
    // A control path is torc's whatever it is to become.
    shouldUpgradeCallback: request =>
      mayUpgrade(request) && !isControl(request.url!, shared.config.adminPaths),
  });
  server.maxHeadersCount = 0;
  // @types/node does not know it; without it an answer is cut for a client that has said all it had to say.
  Object.assign(server, { httpAllowHalfOpen: true });
  return server;
}

/**
 * A request of HTTP/1.0, one with a body of its own, and one that is pipelined behind others is served as if it had not
 * asked for an upgrade (RFC 9110 section 7.8).
 */
function mayUpgrade(request: IncomingMessage): boolean {
  const { client } = request.socket as ClientSocket;
  const isEmpty = request.headers['transfer-encoding'] === undefined && !hasLength(request);
  const hasOffer = offered(request.headers.upgrade) !== '';
  return isEmpty && hasOffer && request.httpVersionMinor === 1 && client?.isServed === true;
}

/** The protocols that a client offers, without h2c: that token is obsolete, and no replica shall see it (RFC 9113 section 3.1). */
function offered(upgrade: string | undefined): string {
  if (upgrade === undefined || !/h2c/i.test(upgrade)) return upgrade ?? '';
  const protocols = upgrade.split(',').map(trimOws);
  return protocols.filter(protocol => protocol !== '' && !/^h2c$/i.test(protocol)).join(', ');
}

/** Back into the raw lane, unless the connection has something that only node:http knows. */
function goBack(socket: ClientSocket, toExpress: (client: Client) => void): void {
  const client = socket.client!;
  const isPlain =
    client.isServed &&
    client.peer.at.redirect === null &&
    client.parked === null &&
    client.method === '' &&
    client.inStep &&
    !client.closing &&
    !client.refused &&
    !client.isTunnel;
  if (isPlain && isBetweenMessages(socket)) toExpress(client);
}

/** HTTP/1, and nothing is known to be wrong with its body. */
const isWhole = (request: ProxyRequest): boolean => request.httpVersionMajor === 1 && !request.isBroken;

/** The parser was told of another method (request-line.ts). */
function restoreMethod(request: ProxyRequest, client: Client): void {
  request.method = client.method;
  client.method = '';
}
