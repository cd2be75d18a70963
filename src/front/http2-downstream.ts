// Hot: one of each per request.
// What an exchange sees of a request that came as a stream of HTTP/2. Frames, windows and the order of bytes are node:http2's;
// here is what an answer is there: a list of fields instead of lines, an end instead of a length, a reset instead of a cut
// connection. A small answer is two calls, head and whole body, whose frames leave in one write with those of the others.

import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { type Downstream, FULL, type Taken, WAITS } from '../exchange/downstream.ts';
import { Exchange } from '../exchange/exchange.ts';
import type { Shared } from '../exchange/shared.ts';
import type { Client, Running } from './client.ts';
import { answerFields, fieldsOf } from './http2-fields.ts';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;
const NOTHING: readonly string[] = [];
const ALONE = { endStream: true };
/**
 * Node ends a stream before it resets it, so a cut answer would look whole; while it waits for trailers it does not, and they
 * are its end (none: an empty frame).
 */
const STREAMED = { waitForTrailers: true };
const PLAIN = {};

/** A stream knows who looks after it: nothing is looked up per event. None does where it was refused. */
export interface RequestStream extends ServerHttp2Stream {
  keeper?: Http2Downstream | 'relay';
  connection?: { left(stream: RequestStream): void };
}

export class Http2Downstream implements Downstream, Running {
  readonly exchange: Exchange;
  readonly isHttp11 = true;
  /** The connection ends by GOAWAY, not with an answer. */
  keepAlive = true;
  readonly hasWaiting = false;
  trailers: readonly string[] = NOTHING;
  readonly #shared: Shared;
  readonly #client: Client;
  readonly #stream: RequestStream;
  #expectsContinue: boolean;
  /** Of the answer, until it is sent. */
  #head = '';
  #status = 0;
  #trailers = '';
  #listensToDrain = false;
  #isTunnel = false;

  constructor(
    shared: Shared,
    client: Client,
    stream: RequestStream,
    method: string,
    upgrade: string,
    expectsContinue: boolean,
  ) {
    this.#shared = shared;
    this.#client = client;
    this.#stream = stream;
    this.#expectsContinue = expectsContinue;
    stream.keeper = this;
    this.exchange = new Exchange(shared, this, method, upgrade);
  }

  /** The exchange, or the tunnel that it became, sees to its time-outs. */
  get isAtWork(): boolean {
    return this.#isTunnel || !this.exchange.isFinished;
  }

  get ip(): string {
    return this.#client.peer.ip;
  }

  get isComplete(): boolean {
    return this.#stream.endAfterHeaders || this.#stream.readableEnded;
  }

  get waitsForContinue(): boolean {
    return this.#expectsContinue;
  }

  // ---- the request's body

  readBody(): void {
    const stream = this.#stream;
    stream.on('data', onData);
    stream.on('trailers', onTrailers);
    stream.on('end', onEnd);
  }

  requestData(chunk: Buffer): void {
    this.#expectsContinue = false;
    this.exchange.requestData(chunk);
  }

  requestEnded(): void {
    if (this.exchange.isFinished) return;
    // A reset ends it as well.
    if (this.#isGone) this.exchange.clientGone();
    else this.exchange.requestEnded();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  // ---- the answer

  /** Nothing can be said any more; the exchange hears of it when the stream is closed. */
  get #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  putContinue(): void {
    this.#expectsContinue = false;
    this.putInterim(100, '');
  }

  putInterim(status: number, fields: string): void {
    if (!this.#isGone && !this.#stream.headersSent)
      this.#stream.additionalHeaders({ ...fieldsOf(fields, false), ':status': status });
  }

  putWhole(status: number, head: string, body: string): void {
    if (this.#isGone) return;
    const stream = this.#stream;
    // Then its end has to be known (#letGo).
    if (this.exchange.isUploading) {
      this.putHead(status, head);
      this.flush();
    } else stream.respond(answerFields(status, head), PLAIN);
    if (stream.writable) stream.end(body, 'latin1');
  }

  putHead(status: number, head: string): void {
    this.#status = status;
    this.#head = head;
  }

  #sendHead(options: object): void {
    if (this.#head === '') return;
    this.#stream.respond(answerFields(this.#status, this.#head), options);
    this.#head = '';
  }

  flush(): void {
    if (this.#isGone) return;
    this.#stream.on('wantTrailers', onWantTrailers);
    this.#sendHead(STREAMED);
  }

  putBody(chunk: Buffer): Taken {
    if (this.#isGone) return WAITS;
    const stream = this.#stream;
    if (this.#head !== '') this.flush();
    // An answer without content (205, say) that has some after all.
    if (!stream.writable || stream.write(chunk)) return WAITS;
    if (!this.#listensToDrain) stream.on('drain', onDrain);
    this.#listensToDrain = true;
    return FULL;
  }

  putEnd(trailers: string): void {
    if (this.#isGone) return;
    const stream = this.#stream;
    this.#trailers = trailers;
    if (this.#head !== '' && trailers === '') {
      this.#sendHead(ALONE);
      this.#letGo();
    } else if (this.#head !== '') this.flush();
    if (stream.writable) stream.end();
  }

  /** The body has left. */
  putTrailers(): void {
    if (this.#isGone) return;
    this.#stream.sendTrailers(fieldsOf(this.#trailers, true));
    this.#letGo();
  }

  becomeTunnel(head: string): Duplex {
    const stream = this.#stream;
    this.#isTunnel = true;
    // The handshake of RFC 6455 is between torc and the replica; here the stream is the connection (RFC 8441 section 5).
    if (!this.#isGone)
      stream.respond(answerFields(200, head.replace(/\r\nsec-websocket-accept:[^\r]*/i, '')));
    return stream;
  }

  /**
   * A stream that was answered whole but still sends is told that nobody reads (RFC 9113 section 8.1): behind the frame that
   * ends the answer, which Node sends at the end of this turn. A reset before it takes it away.
   */
  #letGo(): void {
    if (this.exchange.isUploading) setImmediate(close, this.#stream);
  }

  cut(trailers: string): void {
    if (trailers === '') this.#stream.close(NGHTTP2_INTERNAL_ERROR);
    else this.putEnd(trailers);
  }

  finished(): void {
    this.#client.finished(this, this.#shared.soonMs);
    if (this.exchange.isUploading) this.#stream.resume();
  }

  drained(): void {
    this.exchange.drained();
  }
}

function close(stream: RequestStream): void {
  stream.close(NGHTTP2_NO_ERROR);
}

/** Only streams with a downstream have these listeners. */
const of = (stream: RequestStream): Http2Downstream => stream.keeper as Http2Downstream;

function onData(this: RequestStream, chunk: Buffer): void {
  of(this).requestData(chunk);
}
function onTrailers(this: RequestStream, _fields: object, _flags: number, raw: readonly string[]): void {
  of(this).trailers = raw;
}
function onEnd(this: RequestStream): void {
  of(this).requestEnded();
}
function onDrain(this: RequestStream): void {
  of(this).drained();
}
function onWantTrailers(this: RequestStream): void {
  of(this).putTrailers();
}
