// Hot: runs per request; no object but the exchange, no closure, one write per small answer.
// The raw lane: a connection is read here from its first byte, and only what this lane is sure of is served here: a whole
// head in one piece, a method that everybody knows, a plain path, plain fields, and a body that is all there. Anything
// else, and whatever might be a fault, goes to node:http with every byte it had, so there is one place that refuses and one
// that knows the rare. A connection that went there comes back when it is idle (http1.ts).
//
// The head of a keep-alive client is nearly always the same bytes as last time but for its request line: what was made
// of them is used again. Requests are answered in order, one at a time; those behind wait unread.

import { STATUS_CODES } from 'node:http';
import { isControl } from '../core/control-path.ts';
import { pairsOf } from '../core/field-syntax.ts';
import { invariant } from '../core/invariant.ts';
import { type Sender, sendLater } from '../core/turn-end.ts';
import { writeBytes, writeJoined, writeText } from '../core/write-text.ts';
import type { Downstream } from '../exchange/downstream.ts';
import { Exchange } from '../exchange/exchange.ts';
import { trailersOf } from '../exchange/field-lines.ts';
import { RequestHead } from '../exchange/headers.ts';
import type { Shared } from '../exchange/shared.ts';
import type { Client, ClientSocket, Running } from './client.ts';
import { type Fields, MAX_FIELDS_BYTES, readFields } from './express-fields.ts';
import { startReading, stopReading } from './read-buffer.ts';

const MAX_BODY_BYTES = 16 * 1024;
/** Answers to pipelined requests leave together up to about this. */
const MOST_OUT = 16 * 1024;
const SPACE = 0x20;
const NUMBER_SIGN = 0x23;
const SLASH = 0x2f;
const TILDE = 0x7e;
const VERSION = ' HTTP/1.1';
const LINE_END = Buffer.from(`${VERSION}\r\n`);
const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
const MOST_METHOD_LENGTH = Math.max(...METHODS.map(({ length }) => length));
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const NOTHING: readonly string[] = [];
const NONE = undefined as unknown as Exchange;

// Filled and read within one call: no two requests are ever in it at once.
const requestHead = new RequestHead();

/** What the lanes of a worker share. */
export interface ExpressDoor {
  readonly shared: Shared;
  /** Gives the connection to node:http, to read `bytes` first. */
  toHttp1(client: Client, bytes: Buffer): void;
}

/** One connection in the raw lane; it is the downstream of the request at work. */
export class Express implements Downstream, Running, Sender {
  /** Of the request at work. */
  exchange!: Exchange;
  keepAlive = true;
  readonly #door: ExpressDoor;
  readonly #client: Client;
  readonly #socket: ClientSocket;
  readonly #isSecure: boolean;
  /** Read and not yet used, from `#at` on. */
  #rest: Buffer | null = null;
  #at = 0;
  #isBusy = false;
  #isPumping = false;
  /** The client has closed its half: the next answer is the last. */
  #isEnded = false;
  /** Of the last request, once there was one before it. */
  #fields: Fields | null = null;
  #isKnown = false;
  #head = '';
  #isChunked = false;
  /** Put, and leaves when this turn is over, or before anything else does. */
  #out = '';

  constructor(door: ExpressDoor, client: Client) {
    this.#door = door;
    this.#client = client;
    const socket: ClientSocket = client.socket;
    this.#socket = socket;
    this.#isSecure = socket.encrypted === true;
    socket.express = this;
    socket.on('drain', onDrain);
    socket.on('end', onEnd);
    startReading(socket);
  }

  get isIdle(): boolean {
    return !this.#isBusy && this.#rest === null && this.#out === '';
  }

  /** Idle for a while: a connection that rests holds nothing that can be made again. */
  rest(): void {
    if (!this.#isBusy) this.forget();
  }

  /** What was made of a head holds no longer: settings or the peer's trust are others. */
  forget(): void {
    this.#fields = null;
  }

  // ---- the request

  received(chunk: Buffer): void {
    const rest = this.#rest;
    this.#rest = rest === null ? chunk : Buffer.concat([rest.subarray(this.#at), chunk]);
    this.#at = 0;
    if (this.#isBusy || this.#socket.writableNeedDrain) this.#socket.pause();
    else this.#pump();
    if (this.#rest !== chunk) return;
    // The buffer is read into again.
    this.#rest = Buffer.from(chunk.subarray(this.#at));
    this.#at = 0;
  }

  ended(): void {
    this.#isEnded = true;
    this.sendNow();
    if (this.isIdle) this.#socket.end();
  }

  taken(): void {
    if (this.#isBusy) this.exchange.drained();
    else this.#pump();
  }

  /** Serves what was read, as long as answers are there at once; not by recursion, because a packet has thousands. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#rest !== null && !this.#isBusy && !this.#socket.writableNeedDrain) {
      if (this.#client.closing || this.#socket.destroyed) break;
      if (this.#begin(this.#rest, this.#at)) continue;
      this.#leave(Buffer.from(this.#rest.subarray(this.#at)));
      break;
    }
    this.#isPumping = false;
    if (this.#rest !== null && !this.#isEnded) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** False, and nothing has happened, where this lane is not sure of the request at `at`. */
  #begin(rest: Buffer, at: number): boolean {
    const targetAt = endOfMethod(rest, at) + 1;
    const targetEnd = endOfTarget(rest, targetAt);
    if (targetEnd === -1 || targetEnd - at > MAX_FIELDS_BYTES) return false;
    const lineEnd = targetEnd + VERSION.length;
    const line = rest.toString('latin1', at, lineEnd);
    const target = line.slice(targetAt - at, targetEnd - at);
    const { config } = this.#door.shared;
    if (isControl(target, config.adminPaths)) return false;
    const method = methodOf(line, targetAt - 1 - at);
    const fieldsAt = targetEnd + LINE_END.length;
    const fields = method === '' ? null : this.#fieldsAt(rest, fieldsAt);
    if (fields === null) return false;
    const bodyAt = fieldsAt + fields.bytes.length;
    const end = bodyAt + fields.contentLength;
    if (end > rest.length || fields.contentLength > MAX_BODY_BYTES) return false;
    const head = requestHead;
    head.target = target;
    head.text = line + fields.tail;
    head.requestId = fields.requestId;
    head.host = fields.host;
    head.body = fields.contentLength === 0 ? '' : rest.toString('latin1', bodyAt, end);
    this.#rest = end === rest.length ? null : rest;
    this.#at = end;
    this.#isBusy = true;
    this.keepAlive = fields.keepAlive;
    this.#client.running.push(this);
    this.exchange = new Exchange(this.#door.shared, this, method, '');
    this.exchange.start(head, '', target, fields.raw, fields.address);
    return true;
  }

  #fieldsAt(rest: Buffer, at: number): Fields | null {
    const last = this.#fields;
    if (last !== null) {
      const { bytes } = last;
      if (
        rest.length - at >= bytes.length &&
        rest.compare(bytes, 0, bytes.length, at, at + bytes.length) === 0
      )
        return last;
    }
    const fields = readFields(rest, at, this.#client.peer, this.#door.shared.config.key);
    // Many connections never have a second request.
    if (this.#isKnown) this.#fields = fields;
    this.#isKnown = true;
    return fields;
  }

  #leave(bytes: Buffer): void {
    const socket: ClientSocket = this.#socket;
    this.sendNow();
    this.#rest = null;
    socket.express = null;
    stopReading(socket);
    socket.off('drain', onDrain);
    socket.off('end', onEnd);
    this.#door.toHttp1(this.#client, bytes);
  }

  // ---- what the exchange asks

  get ip(): string {
    return this.#client.peer.ip;
  }

  readonly isHttp11 = true;
  /** Only whole requests come here. */
  readonly isComplete = true;
  readonly waitsForContinue = false;
  readonly trailers = NOTHING;
  pause(): void {}
  resume(): void {}

  isSecure(rawHeaders: readonly string[]): boolean {
    return this.#client.peer.isSecure(rawHeaders);
  }

  get hasWaiting(): boolean {
    return this.#rest !== null;
  }

  putContinue(): void {
    this.#write(CONTINUE);
    this.sendNow();
  }

  putInterim(status: number, fields: string): void {
    this.#write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields}\r\n`);
    this.sendNow();
  }

  putWhole(_status: number, head: string, line: string, body: string): void {
    this.#write(`${head}${line}\r\n${body}`);
    this.#answered();
  }

  putHead(_status: number, head: string, line: string, isChunked: boolean): void {
    this.#head = `${head}${line}\r\n`;
    this.#isChunked = isChunked;
    if (!this.keepAlive) this.#client.closing = true;
  }

  putBody(chunk: Buffer): boolean {
    const socket = this.#socket;
    this.sendNow();
    const before = this.#isChunked ? `${this.#head}${chunk.length.toString(16)}\r\n` : this.#head;
    const behind = this.#isChunked ? '\r\n' : '';
    this.#head = '';
    if (this.#isSecure) writeJoined(socket, before, chunk, behind);
    else writeBytes(socket, before, chunk, behind);
    return !socket.writableNeedDrain;
  }

  flush(): void {
    if (this.#head !== '') this.#write(this.#head);
    this.#head = '';
  }

  putEnd(trailers: string): void {
    const end = this.#isChunked ? `0\r\n${trailers === '' ? '' : trailersOf(pairsOf(trailers))}\r\n` : '';
    const text = this.#head + end;
    this.#head = '';
    this.#isChunked = false;
    if (text !== '') this.#write(text);
    this.#answered();
  }

  #write(text: string): void {
    const out = this.#out;
    this.#out = out + text;
    if (this.#out.length > MOST_OUT) this.sendNow();
    else if (out === '') sendLater(this);
  }

  sendNow(): void {
    const out = this.#out;
    if (out === '') return;
    this.#out = '';
    if (this.#isSecure) this.#socket.write(out, 'latin1');
    else if (!this.#socket.destroyed) writeText(this.#socket, out);
  }

  becomeTunnel(): never {
    invariant(false, 'no upgrade is asked for in the raw lane');
  }

  cut(): void {
    this.sendNow();
    this.#socket.destroy();
  }

  finished(): void {
    this.#client.finished(this, this.#door.shared.soonMs);
  }

  /** The last byte of the answer was put. */
  #answered(): void {
    this.#isBusy = false;
    // Not kept until the next one comes, which may be never; nobody asks for it meanwhile.
    this.exchange = NONE;
    if (this.keepAlive && !(this.#isEnded && this.#rest === null)) {
      this.#pump();
      return;
    }
    this.#client.closing = true;
    this.sendNow();
    this.#socket.destroySoon();
  }
}

/** Where the space behind it is; -1 where it is none of METHODS by its length. */
function endOfMethod(bytes: Buffer, start: number): number {
  for (let at = start; at <= start + MOST_METHOD_LENGTH; at++) if (bytes[at] === SPACE) return at;
  return -1;
}

/** Of a plain path, behind which a line of HTTP/1.1 ends; -1 where anything is otherwise. No fragment, which nobody may send. */
function endOfTarget(bytes: Buffer, start: number): number {
  if (start === 0 || bytes[start] !== SLASH) return -1;
  const end = bytes.length - LINE_END.length;
  let at = start;
  for (let byte = SLASH; byte > SPACE && byte <= TILDE && byte !== NUMBER_SIGN; byte = bytes[at]!)
    if (at++ > end) return -1;
  for (let index = 0; index < LINE_END.length; index++) if (bytes[at + index] !== LINE_END[index]) return -1;
  return at;
}

/** '' for those that are node:http's to know. */
function methodOf(line: string, length: number): string {
  for (const method of METHODS) if (method.length === length && line.startsWith(method)) return method;
  return '';
}

// Shared by all connections.
function onDrain(this: ClientSocket): void {
  this.express!.taken();
}
function onEnd(this: ClientSocket): void {
  this.express!.ended();
}
