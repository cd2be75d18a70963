// Hot: one of each per request.
// What an exchange sees of a request that came as a stream of HTTP/2: frames and windows are stream.ts's, here is what an answer is
// there, an end instead of a length, a reset instead of a cut connection.
//
// A small body that comes with its head goes to the replica with it, in one write: the exchange is begun when all that was
// read is looked at, and what there is of the body by then is known.

import type { Duplex } from 'node:stream';
import { pairsOf } from '../../core/field-syntax.ts';
import type { Downstream } from '../../exchange/downstream.ts';
import { Exchange } from '../../exchange/exchange.ts';
import { trailersOf } from '../../exchange/field-lines.ts';
import type { Shared } from '../../exchange/shared.ts';
import type { Client, Running } from '../client.ts';
import { INTERNAL_ERROR } from './frames.ts';
import { Stream, type StreamPort } from './stream.ts';
import { StreamTunnel } from './stream-tunnel.ts';

const CONTINUE = 'HTTP/1.1 100\r\n';

/** Begins the exchange with what came of its body, a character per byte. */
export type Beginning = (body: string) => void;

export class RequestStream extends Stream implements Downstream, Running {
  readonly exchange: Exchange;
  readonly isHttp11 = true;
  /** The connection ends by GOAWAY, not with an answer. */
  keepAlive = true;
  readonly hasWaiting = false;
  readonly #shared: Shared;
  readonly #client: Client;
  #expectsContinue: boolean;
  /** Of the answer, until it is sent. */
  #head = '';
  #line = '';
  #tunnel: StreamTunnel | null = null;
  /** The exchange has not begun: what came of its body, and how it begins. */
  #early: string[] | null = null;
  #begin: Beginning | null = null;

  constructor(
    shared: Shared,
    client: Client,
    port: StreamPort,
    id: number,
    isEnded: boolean,
    method: string,
    protocol: string,
    expectsContinue: boolean,
  ) {
    super(port, id, isEnded);
    this.#shared = shared;
    this.#client = client;
    this.#expectsContinue = expectsContinue;
    this.exchange = new Exchange(shared, this, method, protocol);
    client.running.push(this);
  }

  /** The exchange, or the tunnel that it became, sees to its time-outs. */
  get isAtWork(): boolean {
    return this.#tunnel !== null || this.isOwed;
  }

  get isOwed(): boolean {
    return !this.exchange.isFinished;
  }

  get ip(): string {
    return this.#client.peer.ip;
  }

  isSecure(rawHeaders: readonly string[]): boolean {
    return this.#client.peer.isSecure(rawHeaders);
  }

  get waitsForContinue(): boolean {
    return this.#expectsContinue;
  }

  // ---- the request

  /** `begin` is called by `beginNow`. */
  beginLater(begin: Beginning): void {
    this.#early = [];
    this.#begin = begin;
  }

  /** All that was read is looked at. */
  beginNow(): void {
    const begin = this.#begin!;
    const body = this.#early!.join('');
    this.#begin = null;
    this.#early = null;
    if (this.isClosed) return;
    begin(this.isRemoteEnded ? body : '');
    if (this.isRemoteEnded || body === '') return;
    this.exchange.requestData(Buffer.from(body, 'latin1'));
  }

  protected onData(chunk: Buffer): void {
    this.#expectsContinue = false;
    if (this.#tunnel !== null) this.#tunnel.received(chunk);
    else if (this.#early !== null) this.#early.push(chunk.toString('latin1'));
    else if (this.isOwed) this.exchange.requestData(Buffer.from(chunk));
  }

  protected onEnd(): void {
    if (this.#tunnel !== null) this.#tunnel.receivedEnd();
    else if (this.#early === null && this.isOwed) this.exchange.requestEnded();
  }

  protected onDrain(): void {
    if (this.#tunnel !== null) this.#tunnel.drained();
    else this.exchange.drained();
  }

  protected onGone(): void {
    if (this.#tunnel !== null) this.#tunnel.destroy();
    else this.exchange.clientGone();
  }

  // ---- the answer

  putContinue(): void {
    const isAwaited = this.#expectsContinue;
    this.#expectsContinue = false;
    if (isAwaited) this.sendHead(CONTINUE, '', false);
    else this.putInterim(100, '');
  }

  /** A reader that takes nothing misses it: each of its streams has a replica that may say 256 KiB of them. */
  putInterim(status: number, fields: string): void {
    if (this.port.outbox.isStuffed) return;
    this.sendHead(`HTTP/1.1 ${status}\r\n${fields}`, '', false);
  }

  putWhole(_status: number, head: string, line: string, body: string): void {
    this.sendWhole(head, line, body);
  }

  putHead(_status: number, head: string, line: string): void {
    this.#head = head;
    this.#line = line;
  }

  flush(): void {
    if (this.#head === '') return;
    this.sendHead(this.#head, this.#line, false);
    this.#head = '';
  }

  putBody(chunk: Buffer): boolean {
    this.flush();
    return this.sendData(chunk);
  }

  putEnd(trailers: string): void {
    const kept = trailers === '' ? '' : trailersOf(pairsOf(trailers));
    if (this.#head !== '' && kept === '') {
      this.sendHead(this.#head, this.#line, true);
      return;
    }
    this.flush();
    this.sendEnd(kept);
  }

  becomeTunnel(head: string): Duplex {
    this.isTunnel = true;
    this.#tunnel = new StreamTunnel(this);
    if (this.isComplete) this.#tunnel.receivedEnd();
    // The handshake of RFC 6455 is between torc and the replica; here the stream is the connection (RFC 8441 section 5).
    const fields = head.slice(head.indexOf('\r\n')).replace(/\r\nsec-websocket-accept:[^\r]*/i, '');
    this.sendHead(`HTTP/1.1 200${fields}`, '', false);
    if (this.isClosed) this.#tunnel.destroy();
    return this.#tunnel;
  }

  cut(trailers: string): void {
    if (trailers === '') this.reset(INTERNAL_ERROR);
    else this.putEnd(trailers);
  }

  finished(): void {
    this.#client.finished(this, this.#shared.soonMs);
    // What the client still sends is dropped.
    if (this.#tunnel === null) this.resume();
  }
}
