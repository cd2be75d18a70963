// Hot: runs per frame.
// One connection of HTTP/2 (RFC 9113): what its frames mean, its streams and windows, when it is idle, how it ends, and what it may
// ask for that no request pays for. Not node:http2, whose streams and lists of fields cost more than all the rest of a
// request (docs/decisions/0026-own-http2.md). Bounds are written in docs/operations.md, and tested with frames of the
// test's own (test/front/http2-floods.test.ts).

import type { Client, ClientSocket, Http2Lane, RawLane } from '../client.ts';
import { startReading } from '../read-buffer.ts';
import { type Budget, Budgets } from './budget.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import * as wire from './frames.ts';
import { HeadPieces } from './head-pieces.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { Outbox } from './outbox.ts';
import { areTrailers } from './request-head.ts';
import { ENTRY_BYTES, initialWindowOf, ownSettings } from './settings.ts';
import { STREAM_WINDOW_BYTES, type Stream, type StreamPort } from './stream.ts';
import { Streams } from './streams.ts';

const MOST_STREAMS = 128;
/** Above what is answered with a 431 (requests.ts), so that there is somebody to answer. */
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_FIELDS = 512;
const MOST_SETTINGS = 32;
/** How often streams are looked at that are answered and do not end. */
const LOOK_MS = 1000;
/** What a client that was told the end may take to go. */
const LINGER_MS = 1000;
const LEAST_OPENED = 256;
const NEVER = Number.POSITIVE_INFINITY;

const SETTINGS = ownSettings(MOST_STREAMS, STREAM_WINDOW_BYTES, MAX_HEAD_BYTES);

/** Makes streams of heads. */
export interface StreamSource {
  /** The time of the last sweep plus one interval. */
  readonly nowMs: number;
  /** `fields` are used within this call alone, and count `bytes`. False: the request is malformed, and there is no stream. */
  open(port: StreamPort, id: number, fields: readonly string[], bytes: number, isEnded: boolean): boolean;
  /** All that was read is looked at. */
  lookedAtAll(): void;
  /** What was made of a head is wanted no more. */
  forget(): void;
}

export class Http2Connection implements Http2Lane, RawLane, FrameSink {
  readonly #client: Client;
  readonly #socket: ClientSocket;
  readonly #source: StreamSource;
  readonly #outbox: Outbox;
  readonly #streams: Streams;
  readonly #reader = new FrameReader(this);
  readonly #decoder = new HpackDecoder(MAX_HEAD_BYTES, MAX_FIELDS);
  #lastId = 0;
  /** The last stream that is served, as the client was told. */
  #servesTo = NEVER;
  /** No request follows: the client has closed its half, or said so. */
  #isEnded = false;
  /** Since when nothing is read or said any more. */
  #overSinceMs = NEVER;
  #nextLookMs = 0;
  #hasSettings = false;
  readonly #pieces = new HeadPieces();
  readonly #budgets = new Budgets();

  constructor(client: Client, source: StreamSource) {
    this.#client = client;
    this.#source = source;
    const socket: ClientSocket = client.socket;
    this.#socket = socket;
    this.#outbox = new Outbox(socket, () => this.#goOn());
    this.#outbox.putBytes(wire.SETTINGS, 0, SETTINGS);
    this.#streams = new Streams(
      this.#outbox,
      () => this.#left(),
      () => this.#spend(this.#budgets.faults),
    );
    socket.express = this;
    socket.on('close', onClose);
    startReading(socket);
  }

  // ---- what the socket tells

  received(chunk: Buffer): void {
    this.#reader.read(chunk, this.#source.nowMs);
    this.#source.lookedAtAll();
    // Whoever takes no answers is asked for no more questions.
    if (this.#outbox.isStuffed) this.#socket.pause();
  }

  /** The outbox has room again. */
  #goOn(): void {
    this.#streams.flow();
    if (this.#socket.isPaused() && !this.#outbox.isStuffed) this.#socket.resume();
  }

  closed(): void {
    this.#overSinceMs = 0;
    this.#streams.gone();
  }

  ended(): void {
    this.#isEnded = true;
    this.#endIfServed();
  }

  taken(): void {}

  rest(): void {
    this.#source.forget();
  }

  forget(): void {
    this.#source.forget();
  }

  get isIdle(): boolean {
    return this.isOver;
  }

  // ---- its end

  get isOver(): boolean {
    return this.#isOver && this.#socket.writableLength === 0;
  }

  get #isOver(): boolean {
    return this.#overSinceMs !== NEVER;
  }

  /** Both times are those before which it has been too long: since its last request, and since it was opened. */
  sweep(nowMs: number, idleSinceMs: number, silentSinceMs: number): void {
    const client = this.#client;
    if (this.#isOver) {
      // What it has not read yet may take it as long as an answer.
      const isLate = this.isOver && this.#overSinceMs <= nowMs - LINGER_MS;
      if (isLate || this.#overSinceMs <= idleSinceMs) this.#socket.destroy();
    } else if (this.#pieces.isLate(silentSinceMs) || this.#reader.isLate(silentSinceMs))
      this.#end(wire.ENHANCE_YOUR_CALM);
    else if (this.#streams.count === 0) {
      if (client.isIdle(idleSinceMs, nowMs) || client.isSilent(silentSinceMs)) this.#end(wire.NO_ERROR);
    } else if (nowMs >= this.#nextLookMs) {
      this.#nextLookMs = nowMs + LOOK_MS;
      this.#streams.look(nowMs, idleSinceMs);
    }
  }

  /**
   * The first time its end is announced: requests that cross that on the wire are served (RFC 9113 section 6.8). Then it is
   * told which were the last, and ends with them.
   */
  close(): void {
    if (this.#isOver || this.#servesTo <= this.#lastId) return;
    this.#servesTo = this.#servesTo === NEVER ? wire.MAX_31 : this.#lastId;
    this.#outbox.putGoaway(this.#servesTo, wire.NO_ERROR);
    this.#endIfServed();
  }

  #left(): void {
    this.#client.idleSinceMs = this.#source.nowMs;
    this.#endIfServed();
  }

  #endIfServed(): void {
    const isLast = this.#isEnded || this.#servesTo <= this.#lastId;
    if (isLast && this.#streams.count === 0) this.#end(wire.NO_ERROR);
  }

  /** Nothing is read or said behind this. */
  #end(code: number): void {
    if (this.#isOver) return;
    this.#overSinceMs = this.#source.nowMs;
    if (code !== wire.NO_ERROR || this.#servesTo > this.#lastId) {
      this.#servesTo = this.#lastId;
      this.#outbox.putGoaway(this.#servesTo, code);
    }
    this.#streams.gone();
    this.#outbox.end();
    this.#socket.resume();
  }

  /** False: it has asked for too much. */
  #spend(budget: Budget): boolean {
    const isLeft = budget.take(this.#source.nowMs);
    if (!isLeft) this.#end(wire.ENHANCE_YOUR_CALM);
    return isLeft;
  }

  /** A stream that never comes to be. */
  #refuse(id: number, isEnd: boolean, code: number): void {
    this.#outbox.putNumber(wire.RST_STREAM, id, code);
    this.#client.idleSinceMs = this.#source.nowMs;
    if (!isEnd) this.#streams.ignore(id);
    this.#spend(this.#budgets.faults);
  }

  // ---- frames

  noPreface(): void {
    this.#end(wire.PROTOCOL_ERROR);
  }

  oversized(): void {
    this.#end(wire.FRAME_SIZE_ERROR);
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (this.#isOver) return false;
    // The first are settings, and nothing comes between the pieces of a head.
    const continues = this.#pieces.id !== 0;
    const isExpected = continues === (type === wire.CONTINUATION) && (!continues || id === this.#pieces.id);
    if (!isExpected || (!this.#hasSettings && type !== wire.SETTINGS)) this.#end(wire.PROTOCOL_ERROR);
    else this.#frame(type, flags, id, bytes, start, end);
    return !this.#isOver;
  }

  #frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case wire.DATA:
        this.#onData(flags, id, bytes, start, end);
        return;
      case wire.HEADERS:
        this.#onHeaders(flags, id, bytes, start, end);
        return;
      case wire.CONTINUATION:
        this.#onContinuation(flags, bytes, start, end);
        return;
      case wire.RST_STREAM:
        this.#onReset(id, end - start);
        return;
      case wire.SETTINGS:
        this.#onSettings(flags, id, bytes, start, end);
        return;
      case wire.PING:
        this.#onPing(flags, id, bytes, start, end);
        return;
      case wire.GOAWAY:
        if (id !== 0) this.#end(wire.PROTOCOL_ERROR);
        else if (end - start < 8) this.#end(wire.FRAME_SIZE_ERROR);
        else this.ended();
        return;
      case wire.WINDOW_UPDATE:
        this.#onWindowUpdate(id, bytes, start, end);
        return;
      case wire.PUSH_PROMISE:
        this.#end(wire.PROTOCOL_ERROR);
        return;
      case wire.PRIORITY:
        if (id === 0) this.#end(wire.PROTOCOL_ERROR);
        else if (end - start !== 5) this.#end(wire.FRAME_SIZE_ERROR);
        else this.#spend(this.#budgets.idle);
        return;
      default:
        this.#spend(this.#budgets.idle);
    }
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    let at = start;
    let to = end;
    if ((flags & wire.PADDED) !== 0) to -= bytes[at++]!;
    if ((flags & wire.HAS_PRIORITY) !== 0) at += 5;
    const isEnd = (flags & wire.END_STREAM) !== 0;
    if ((id & 1) === 0 || at > end || at > to) this.#end(wire.PROTOCOL_ERROR);
    else if ((flags & wire.END_HEADERS) !== 0) this.#onHead(id, isEnd, bytes, at, to);
    else {
      this.#pieces.begin(id, isEnd, this.#source.nowMs);
      this.#pieces.add(bytes, at, to);
    }
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const pieces = this.#pieces;
    const { id, isEnd } = pieces;
    if (!pieces.add(bytes, start, end)) this.#end(wire.ENHANCE_YOUR_CALM);
    else if ((flags & wire.END_HEADERS) !== 0) {
      const block = pieces.whole();
      this.#onHead(id, isEnd, block, 0, block.length);
    }
  }

  /** A whole block: a request, or what is behind its body. */
  #onHead(id: number, isEnd: boolean, block: Buffer, start: number, end: number): void {
    if (!this.#decoder.decode(block, start, end)) {
      this.#end(wire.COMPRESSION_ERROR);
      return;
    }
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#onTrailers(stream, isEnd);
    else if (id <= this.#lastId) this.#onLate(id, isEnd);
    // What it was told is not served.
    else if (id <= this.#servesTo) this.#onRequest(id, isEnd);
  }

  #onRequest(id: number, isEnd: boolean): void {
    this.#lastId = id;
    const { fields, bytes, isTooLong } = this.#decoder;
    if (this.#streams.count >= MOST_STREAMS) this.#refuse(id, isEnd, wire.REFUSED_STREAM);
    else if (isTooLong) this.#refuse(id, isEnd, wire.ENHANCE_YOUR_CALM);
    else if (!this.#source.open(this.#streams, id, fields, bytes, isEnd))
      this.#refuse(id, isEnd, wire.PROTOCOL_ERROR);
  }

  #onTrailers(stream: Stream, isEnd: boolean): void {
    const { fields, isTooLong } = this.#decoder;
    if (stream.isRemoteEnded) stream.fault(wire.STREAM_CLOSED);
    else if (!isEnd || isTooLong || !areTrailers(fields)) stream.fault(wire.PROTOCOL_ERROR);
    else {
      stream.trailers = [...fields];
      stream.ended();
    }
  }

  #onData(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    let at = start;
    let to = end;
    if ((flags & wire.PADDED) !== 0) to -= bytes[at++]!;
    const isEnd = (flags & wire.END_STREAM) !== 0;
    const stream = this.#streams.get(id);
    if (id === 0 || at > end || at > to) this.#end(wire.PROTOCOL_ERROR);
    // Padding counts, and is taken at once (section 6.1).
    else if (!this.#streams.window.receive(end - start)) this.#end(wire.FLOW_CONTROL_ERROR);
    else if (stream === undefined) this.#onLate(id, isEnd, end - start);
    else if (stream.isRemoteEnded || !stream.window!.receive(end - start)) {
      this.#streams.taken(null, end - start);
      stream.fault(stream.isRemoteEnded ? wire.STREAM_CLOSED : wire.FLOW_CONTROL_ERROR);
    } else {
      if (to - at < end - start) this.#streams.taken(stream, end - start - (to - at));
      if (at < to || isEnd) stream.received(bytes.subarray(at, to), isEnd);
      else this.#spend(this.#budgets.faults);
    }
  }

  /** Of a stream that is over, or was never there. */
  #onLate(id: number, isEnd: boolean, bytes = 0): void {
    this.#streams.taken(null, bytes);
    if (this.#isIdleId(id)) this.#end(wire.PROTOCOL_ERROR);
    else if (id <= this.#lastId && !this.#streams.ignores(id, isEnd)) this.#end(wire.STREAM_CLOSED);
  }

  #onReset(id: number, length: number): void {
    const stream = this.#streams.get(id);
    if (length !== 4) this.#end(wire.FRAME_SIZE_ERROR);
    else if (stream !== undefined) {
      if (stream.isOwed) this.#spend(this.#budgets.resets);
      stream.isRemoteEnded = true;
      stream.gone();
    } else if (this.#isIdleId(id)) this.#end(wire.PROTOCOL_ERROR);
    else this.#streams.ignores(id, true);
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const count = (end - start) / ENTRY_BYTES;
    const isAck = (flags & wire.ACK) !== 0;
    if (id !== 0 || (isAck && !this.#hasSettings)) this.#end(wire.PROTOCOL_ERROR);
    else if (!Number.isInteger(count) || (isAck && count > 0)) this.#end(wire.FRAME_SIZE_ERROR);
    else if (count > MOST_SETTINGS) this.#end(wire.ENHANCE_YOUR_CALM);
    else if (this.#spend(this.#budgets.settings) && !isAck) {
      this.#hasSettings = true;
      const window = initialWindowOf(bytes, start, end, this.#streams.initialWindow);
      this.#outbox.putBytes(wire.SETTINGS, wire.ACK);
      if (window < 0) this.#end(-window);
      else if (!this.#streams.begin(window)) this.#end(wire.FLOW_CONTROL_ERROR);
    }
  }

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) this.#end(wire.PROTOCOL_ERROR);
    else if (end - start !== 8) this.#end(wire.FRAME_SIZE_ERROR);
    // torc sends none: an answer to one has no meaning either.
    else if (this.#spend(this.#budgets.pings) && (flags & wire.ACK) === 0)
      this.#outbox.putBytes(wire.PING, wire.ACK, bytes.subarray(start, end));
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    const isWhole = end - start === 4;
    const more = isWhole ? wire.uint31At(bytes, start) : 0;
    const stream = id === 0 ? null : this.#streams.get(id);
    // Bit by bit, where something waits, an answer costs a frame for each (CVE-2019-9511).
    if (more < LEAST_OPENED && this.#streams.isWaiting && !this.#spend(this.#budgets.idle)) return;
    if (!isWhole) this.#end(wire.FRAME_SIZE_ERROR);
    else if (more === 0) this.#end(wire.PROTOCOL_ERROR);
    else if (stream === undefined) {
      if (this.#isIdleId(id)) this.#end(wire.PROTOCOL_ERROR);
    } else if (!this.#streams.opened(stream, more)) {
      if (stream === null) this.#end(wire.FLOW_CONTROL_ERROR);
      else stream.fault(wire.FLOW_CONTROL_ERROR);
    }
  }

  /** No stream was ever there (section 5.1); those that are not served any more count as if. */
  #isIdleId(id: number): boolean {
    return id === 0 || (id > this.#lastId && id <= this.#servesTo);
  }
}

function onClose(this: ClientSocket): void {
  (this.express as Http2Connection).closed();
}
