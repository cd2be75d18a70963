// One connection of HTTP/2: its open streams, when it is idle, how it ends, and what it may ask for that no request pays for
// (budgets). nghttp2 answers floods whose answers pile up; what a client takes as fast as it asks (a ping, a setting, a stream
// that is opened and reset, CVE-2023-44487) costs as much and piles up nowhere, so that is counted here. Bounds are
// written in docs/operations.md, and tested with frames of the test's own (test/front/http2-floods.test.ts).

import { constants, type ServerHttp2Session, type ServerSessionOptions } from 'node:http2';
import type { Shared } from '../exchange/shared.ts';
import type { Client, Http2Lane } from './client.ts';
import { Http2Downstream, type RequestStream } from './http2-downstream.ts';

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM } = constants;

const MOST_STREAMS = 128;
/** Of a request's body that the replica has not taken; a stream's and the connection's. */
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 1024 * 1024;
/** Above what is answered with a 431 (http2.ts), so that there is somebody to answer. */
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_FIELDS = 512;
/** How often streams are looked at that are answered and do not end. */
const LOOK_MS = 1000;
const AT_WORK = Number.POSITIVE_INFINITY;

export const sessionOptions: ServerSessionOptions = {
  settings: {
    maxConcurrentStreams: MOST_STREAMS,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: MAX_HEAD_BYTES,
    enableConnectProtocol: true,
  },
  maxHeaderListPairs: MAX_FIELDS,
  // In MB, and as good as none: what a stream had not sent when it was reset stays counted for ever, so that a connection
  // gets nothing any more after a hundred cancelled downloads. What it could hold is bounded per stream.
  maxSessionMemory: 4000,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  // A replica's fields go on as they came, also those that are twice there.
  strictSingleValueFields: false,
};

/** So many at once, and so many a second. */
class Budget {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #atMs = 0;

  constructor(most: number, perSecond: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
  }

  take(nowMs: number): boolean {
    this.#left = Math.min(this.#most, this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    return --this.#left >= 0;
  }
}

export class Http2Connection implements Http2Lane {
  readonly client: Client;
  readonly #session: ServerHttp2Session;
  readonly #shared: Shared;
  /** Open streams, and since when all that is left of them is their reader's to take. */
  readonly #streams = new Map<RequestStream, number>();
  /** The client has closed its half: no request follows. */
  #isEnded = false;
  #nextLookMs = 0;
  /** Streams that ended before their answer. */
  readonly #resets = new Budget(200, 20);
  readonly #pings = new Budget(200, 20);
  readonly #settings = new Budget(50, 5);

  constructor(shared: Shared, client: Client, session: ServerHttp2Session) {
    this.#shared = shared;
    this.client = client;
    this.#session = session;
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    // The end of the socket tells all that is to be told.
    session.on('error', ignore);
    session.on('ping', () => this.#spend(this.#pings));
    session.on('remoteSettings', () => this.#spend(this.#settings));
  }

  #spend(budget: Budget): void {
    if (!budget.take(this.#shared.soonMs))
      this.#session.destroy(new Error('the connection asks for too much'), NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** False: it has been reset since it was read. */
  entered(stream: RequestStream): boolean {
    stream.on('error', ignore);
    if (stream.destroyed || stream.closed) {
      this.#spend(this.#resets);
      return false;
    }
    this.#streams.set(stream, AT_WORK);
    stream.connection = this;
    stream.on('close', onClose);
    return true;
  }

  left(stream: RequestStream): void {
    this.#streams.delete(stream);
    this.client.idleSinceMs = this.#shared.soonMs;
    if (this.#isEnded && this.#streams.size === 0) this.#session.close();
    if (!(stream.keeper instanceof Http2Downstream) || stream.keeper.exchange.isFinished) return;
    stream.keeper.exchange.clientGone();
    this.#spend(this.#resets);
  }

  ended(): void {
    this.#isEnded = true;
    if (this.#streams.size === 0) this.#session.close();
  }

  get isOver(): boolean {
    return this.#session.destroyed;
  }

  /** Both times are those before which it has been too long: since its last request, and since it was opened. */
  sweep(nowMs: number, idleSinceMs: number, silentSinceMs: number): void {
    if (this.#streams.size === 0) {
      if (this.client.idleSinceMs <= idleSinceMs || this.client.isSilent(silentSinceMs)) this.#end();
    } else if (nowMs >= this.#nextLookMs) {
      this.#nextLookMs = nowMs + LOOK_MS;
      for (const [stream, overMs] of this.#streams) this.#look(stream, overMs, nowMs, idleSinceMs);
    }
  }

  /** Of a stream that is answered nobody sees to it that its reader takes the rest: whoever opens no window keeps it. */
  #look(stream: RequestStream, overMs: number, nowMs: number, idleSinceMs: number): void {
    if (stream.keeper === 'relay' || stream.keeper?.isAtWork === true) return;
    if (overMs === AT_WORK) this.#streams.set(stream, nowMs);
    else if (overMs <= idleSinceMs) stream.close(NGHTTP2_CANCEL);
  }

  /** The second time a client that does not go has no say in it. */
  #end(): void {
    if (this.#session.closed || this.#session.destroyed) this.client.socket.destroy();
    else this.#session.close();
  }

  /**
   * GOAWAY, and the end when its open streams have ended. Requests that cross it on the wire are not served and the client knows
   * so, and sends them elsewhere (RFC 9113 section 6.8). Node has no way to announce the end and serve those too.
   */
  close(): void {
    this.#session.close();
  }
}

function ignore(): void {}
function onClose(this: RequestStream): void {
  this.connection!.left(this);
}
