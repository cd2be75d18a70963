// What never became a request: bytes that node:http's parser gave up on. Some of them HTTP allows, and the connection is
// read a second time (request-line.ts); the others get their refusal, behind the answers that the connection still owes.

import type { Server } from 'node:http';
import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import { rawError } from '../exchange/reply.ts';
import type { Shared } from '../exchange/shared.ts';
import type { Client, ClientSocket } from './client.ts';
import { hasLength, type ProxyRequest, type ProxyResponse } from './http-messages.ts';
import { Http1Downstream } from './http1-downstream.ts';
import { give, release } from './lane.ts';
import { type Before, type ParseError, repair } from './request-line.ts';

/** Bytes behind a request line that waits for its second reading (request-line.ts); one read brings 64 KiB. */
const MAX_PARKED_BYTES = 256 * 1024;
const LF = 10;

export class ClientErrors {
  readonly #server: Server<typeof ProxyRequest, typeof ProxyResponse>;
  readonly #shared: Shared;
  /** The connection of this Client gets another one. */
  readonly #renew: (client: Client) => Client;

  constructor(
    server: Server<typeof ProxyRequest, typeof ProxyResponse>,
    shared: Shared,
    renew: (client: Client) => Client,
  ) {
    this.#server = server;
    this.#shared = shared;
    this.#renew = renew;
  }

  /** node:http's parser gave up on what the client sent. */
  onError(error: ParseError, socket: ClientSocket): void {
    const { client } = socket;
    // Of one that got its last answer no byte is read any more, whatever it is.
    const isOver = client === undefined || (!socket.writable && !client.lingering);
    if (isOver || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
      socket.destroy();
      return;
    }
    if (client.refused || client.lingering) return;
    if (client.parked !== null) {
      this.#park(client, error.rawPacket);
      return;
    }
    const code = clientFaultOf(error, client);
    const last = client.running.at(-1);
    const waiting = client.waiting.at(-1)?.request;
    if (waiting !== undefined && !waiting.complete) {
      waiting.isBroken = true;
      return;
    }
    const mayGoOn = client.inStep && !client.closing;
    const repaired = mayGoOn ? repair(error, whatIsBefore(client, error)) : null;
    if (repaired !== null) this.#readAgainInTurn(client, repaired.method, [repaired.packet]);
    else if (last instanceof Http1Downstream && !last.isComplete) last.exchange.broken(code);
    else if (client.control !== null && !client.control.req.complete) this.#refuseNow(client, code);
    else this.refuseInTurn(socket, code);
  }

  /** The connection begins anew, with a Client that knows the method, behind the answers that are still to be given. */
  #readAgainInTurn(before: Client, method: string, packets: readonly Buffer[]): void {
    const again = (): void => {
      const { socket } = before;
      if (before.closing || before.refused || socket.destroyed) return;
      this.readAgain(before, before.parked ?? packets, method);
    };
    const last = lastAnswerOf(before);
    if (last === null) {
      again();
      return;
    }
    before.parked = [...packets];
    last(again);
  }

  /** What the parser was kept from: behind the answers that are owed. */
  readLater(socket: ClientSocket, packets: readonly Buffer[]): void {
    this.#readAgainInTurn(socket.client!, '', packets);
  }

  readAgain(before: Client, packets: readonly Buffer[], method: string): void {
    const { socket } = before;
    release(socket);
    this.#renew(before).method = method;
    give(this.#server, socket, packets);
  }

  /** What comes behind a line that waits for its second reading. */
  #park(client: Client, packet: Buffer | undefined): void {
    if (packet === undefined) return;
    client.parked!.push(packet);
    const bytes = client.parked!.reduce((sum, { length }) => sum + length, 0);
    if (bytes > MAX_PARKED_BYTES) this.refuseInTurn(client.socket, 'BAD_REQUEST');
    else client.socket.pause();
  }

  /** The body of a control request is broken: whoever waits for it hears of it by the connection's end. */
  #refuseNow(client: Client, code: ProxyErrorCode): void {
    client.refused = true;
    client.control = null;
    this.#refuse(client.socket, code);
  }

  /** Never a request, but it has a name and a line, because its sender will ask about it. */
  #say(socket: ClientSocket, code: ProxyErrorCode): void {
    const { ids, config, access } = this.#shared;
    const id = ids.next();
    const text = rawError(code, id, ids.hasField ? ids.lineOf(id) : '');
    socket.end(text, 'latin1');
    if (!config.accessLog) return;
    const { status } = proxyErrors[code];
    access({ id, status, code, bytesOut: text.length, ip: socket.client!.peer.ip }, 'no request');
  }

  /** Behind the answers that the connection still has to give. */
  refuseInTurn(socket: ClientSocket, code: ProxyErrorCode): void {
    const client = socket.client!;
    if (client.refused) return;
    client.refused = true;
    const last = lastAnswerOf(client);
    const refuse = (): void => this.#refuse(socket, code);
    if (last === null) refuse();
    else last(refuse);
  }

  #refuse(socket: ClientSocket, code: ProxyErrorCode): void {
    // An answer has said that it is the last one.
    if (socket.client!.closing) return;
    this.#shared.counters.error(code, '');
    socket.client!.idleSinceMs = this.#shared.soonMs;
    socket.client!.lingering = true;
    socket.client!.closing = true;
    this.#say(socket, code);
  }
}

function clientFaultOf({ code, rawPacket, bytesParsed = 0 }: ParseError, client: Client): ProxyErrorCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  if (code !== 'HPE_HEADER_OVERFLOW') return 'BAD_REQUEST';
  // The target's own fault where no line has ended, as far as the parser lets one see (RFC 9112 section 3).
  const isInLine = client.beginsWithinLine ?? client.socket.bytesRead === client.begunAtByte;
  const lineEnd = rawPacket?.indexOf(LF) ?? 0;
  return isInLine && (lineEnd === -1 || lineEnd >= bytesParsed) ? 'TARGET_TOO_LONG' : 'HEAD_TOO_LARGE';
}

/** For what has to wait until the last answer that the connection owes has left; null where it owes none. */
function lastAnswerOf(client: Client): ((callback: () => void) => void) | null {
  const waiting = client.waiting.at(-1)?.response;
  if (waiting !== undefined) return callback => waiting.once('finish', callback);
  const running = client.running.at(-1);
  const last = running instanceof Http1Downstream ? running.response : client.control;
  return last === null ? null : callback => last.once('finish', callback);
}

function whatIsBefore(client: Client, error: ParseError): Before {
  const waiting = client.waiting.at(-1)?.request;
  const running = client.running.at(-1);
  if (waiting !== undefined) return hasLength(waiting) ? 'body' : 'line';
  if (running instanceof Http1Downstream) return hasLength(running.request) ? 'body' : 'line';
  const read = client.socket.bytesRead - client.parsedFromByte;
  return client.requestsRead === 0 && read === error.rawPacket?.length ? 'nothing' : 'pause';
}
