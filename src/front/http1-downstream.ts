// Hot: one of each per request.
// What an exchange sees of a request that came through node:http: its ProxyRequest and ProxyResponse, with the answer's
// text put past ServerResponse's own ways (wire.ts).

import type { Socket } from 'node:net';
import { pairsOf } from '../core/field-syntax.ts';
import type { Downstream } from '../exchange/downstream.ts';
import { Exchange } from '../exchange/exchange.ts';
import { trailerPairsOf } from '../exchange/field-lines.ts';
import type { Shared } from '../exchange/shared.ts';
import type { Client, Running } from './client.ts';
import type { MessageEvents, ProxyRequest, ProxyResponse } from './http-messages.ts';
import { flushHead, mayPutWhole, putHead, putWhole, withoutContinue } from './wire.ts';

/** What it tells the door. */
interface Door {
  answered(client: Client): void;
}

export class Http1Downstream implements Downstream, Running, MessageEvents {
  readonly exchange: Exchange;
  readonly request: ProxyRequest;
  readonly response: ProxyResponse;
  readonly #shared: Shared;
  readonly #door: Door;
  readonly #client: Client;
  #listensToDrain = false;

  constructor(
    shared: Shared,
    door: Door,
    client: Client,
    request: ProxyRequest,
    response: ProxyResponse,
    upgrade: string,
  ) {
    this.#shared = shared;
    this.#door = door;
    this.#client = client;
    this.request = request;
    this.response = response;
    this.exchange = new Exchange(shared, this, request.method!, upgrade);
    request.downstream = this;
    response.downstream = this;
  }

  get ip(): string {
    return this.#client.peer.ip;
  }

  get isHttp11(): boolean {
    return this.request.httpVersionMinor === 1;
  }

  get keepAlive(): boolean {
    return this.response.shouldKeepAlive;
  }

  set keepAlive(keepAlive: boolean) {
    this.response.shouldKeepAlive = keepAlive;
  }

  get hasWaiting(): boolean {
    return this.#client.waiting.length > 0;
  }

  get isComplete(): boolean {
    return this.request.complete;
  }

  get waitsForContinue(): boolean {
    return withoutContinue(this.response);
  }

  get trailers(): readonly string[] {
    return this.request.rawTrailers;
  }

  isSecure(rawHeaders: readonly string[]): boolean {
    return this.#client.peer.isSecure(rawHeaders);
  }

  pause(): void {
    this.request.pause();
  }

  resume(): void {
    this.request.resume();
  }

  putContinue(): void {
    this.response.writeContinue();
  }

  putInterim(status: number, fields: string): void {
    this.response.writeInformation(status, pairsOf(fields));
  }

  putWhole(status: number, fields: string, line: string, body: string): void {
    const { response } = this;
    const head = fields + line;
    const { socket } = this.#client;
    const isLast = !response.shouldKeepAlive;
    this.#client.closing ||= isLast;
    if (mayPutWhole(response, socket)) {
      putWhole(response, socket, status, `${head}\r\n${body}`, isLast);
      return;
    }
    putHead(response, status, head, false, isLast);
    response.end(body, 'latin1');
  }

  putHead(status: number, head: string, line: string, isChunked: boolean): void {
    const isLast = !this.response.shouldKeepAlive;
    this.#client.closing ||= isLast;
    putHead(this.response, status, head + line, isChunked, isLast);
  }

  putBody(chunk: Buffer): boolean {
    const { response } = this;
    const { socket } = this.#client;
    const copy = Buffer.allocUnsafeSlow(chunk.length);
    chunk.copy(copy);
    // Head and chunk in one write, and now: a response of its own would wait for the end of the turn.
    socket.cork();
    const more = response.write(copy);
    socket.uncork();
    if (response.socket === socket && socket.writableLength === 0) {
      // V8 lets 32 MiB of such memory come together before it collects any.
      copy.buffer.transfer(0);
      return true;
    }
    if (more) return true;
    if (!this.#listensToDrain) response.on('drain', onResponseDrain);
    this.#listensToDrain = true;
    return false;
  }

  flush(): void {
    flushHead(this.response);
  }

  putEnd(trailers: string): void {
    if (trailers !== '') this.response.addTrailers(trailerPairsOf(trailers));
    this.response.end();
  }

  becomeTunnel(head: string): Socket {
    const { socket } = this.#client;
    this.response.detachSocket(socket);
    socket.write(`${head}\r\n`, 'latin1');
    this.#client.isTunnel = true;
    return socket;
  }

  cut(): void {
    this.#client.socket.destroy();
  }

  finished(): void {
    const client = this.#client;
    client.finished(this, this.#shared.soonMs);
    if (!this.exchange.isUploading) {
      this.#door.answered(client);
      return;
    }
    // What the client still sends is read and dropped, so that its next request is found behind it, but no longer than
    // an idle connection would be kept.
    client.inStep = false;
    this.request.resume();
  }

  readBody(): void {
    this.request.on('data', onRequestData);
    this.request.on('end', onRequestEnd);
  }

  requestData(chunk: Buffer): void {
    this.exchange.requestData(chunk);
  }

  requestEnded(): void {
    if (this.exchange.isFinished) this.#client.idleSinceMs = this.#shared.soonMs;
    else this.exchange.requestEnded();
  }

  drained(): void {
    this.exchange.drained();
  }
}

function onRequestData(this: ProxyRequest, chunk: Buffer): void {
  this.downstream!.requestData(chunk);
}
function onRequestEnd(this: ProxyRequest): void {
  this.downstream!.requestEnded();
}
function onResponseDrain(this: ProxyResponse): void {
  this.downstream!.drained();
}
