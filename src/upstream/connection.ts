// Hot: runs per request; no closure, no promise, one write per request without a body.
// One HTTP/1.1 connection to a replica, as an undici Dispatcher, so that undici's Pool keeps, counts and queues for it
// while the bytes are torc's own: undici's Client refuses `Expect`, `OPTIONS *` and request trailers, moves `Host` and
// `Content-Length`, and cannot say whether a failed request had left (docs/decisions/0004-upstream-client.md).
//
// A connection carries one attempt at a time. It reconnects by itself when the next attempt comes; a socket is used
// again only while it is surely fresh: an idle connection that the replica is about to close loses a request
// (RFC 9112 section 9.3.1), which is repaired by a retry for requests that may be sent again, and avoided for others.

import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Dispatcher } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import { ResponseParser, type ResponseSink } from './response.ts';

/** Idle sockets older than this are not used again: Node, the shortest of the common servers, closes them at 5 s. */
const MAX_IDLE_MS = 4000;
/** The same for requests that cannot be sent twice: no common server closes a connection it used within the second. */
const MAX_IDLE_UNREPEATABLE_MS = 1000;
/** What one read may bring. A 64 KiB answer with its head comes in one; only the pages that were written to are real. */
const READ_BYTES = 128 * 1024;

/** Taken off a replica's own `keep-alive: timeout` for the way there and its clock; of a short one half. */
const KEEP_ALIVE_MARGIN_MS = 1000;

/** One try of one request at one replica: what a connection sends, and where the answer goes. */
export interface Attempt extends ResponseSink, Dispatcher.DispatchOptions, Dispatcher.DispatchHandler {
  /** The whole request head, latin1. */
  readonly head: string;
  readonly isHead: boolean;
  readonly wantsUpgrade: boolean;
  /** The request may be sent again should the connection turn out to be stale. */
  readonly repeatable: boolean;
  /** Only a new connection will do: the last try met a stale one. */
  readonly freshOnly: boolean;
  /** Given up while it waited in the pool's queue. */
  readonly cancelled: boolean;
  /** A connection takes it on; `connection.abort()` gives it up. */
  onConnection(connection: Connection): void;
  /** The head is on its way: the body may follow through `connection.write`. */
  onSent(): void;
  /** All bytes that were there are handed over: what waits for more should leave now. */
  onPause(): void;
  onWritable(): void;
  /** After a 101: the socket is the attempt's own now; `rest` came right behind the head. */
  onUpgraded(socket: Socket, rest: Buffer): void;
  /** `sent`: bytes may have reached the replica. `stale`: a used connection ended before it answered at all. */
  onFault(code: ProxyErrorCode, detail: string, sent: boolean, stale: boolean): void;
}

/** Who decides what a free connection does next. */
export interface Owner {
  unqueued(): void;
  freed(connection: Connection): void;
}

export class Connection extends Dispatcher {
  // The three are undici's pool's view of a dispatcher.
  closed = false;
  destroyed = false;
  readonly #origin: URL;
  readonly #host: string;
  readonly #port: number;
  readonly clock: Clock;
  readonly #owner: Owner;
  readonly #parser = new ResponseParser();
  #socket: ReplicaSocket | null = null;
  #attempt: Attempt | null = null;
  #sent = false;
  #paused = false;
  #uses = 0;
  #idleSinceMs = 0;
  #maxIdleMs = MAX_IDLE_MS;
  /** Bytes of the socket when `endIfSilent` looked last. */
  #seenBytes = -1;
  #onIdle: (() => void) | null = null;
  /**
   * Each read goes into this one, from the start. Node's own way allocates 64 KiB a read: those made V8 collect its whole
   * heap all the time, a third of the cost of a 1 MiB answer (docs/benchmarks.md).
   */
  #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  constructor(origin: URL, host: string, port: number, clock: Clock, owner: Owner) {
    super();
    this.#origin = origin;
    this.#host = host;
    this.#port = port;
    this.clock = clock;
    this.#owner = owner;
  }

  /** The pool's way to hand an attempt over. False is "busy": whether it is, is the owner's to know. */
  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): false {
    const attempt = handler as Attempt;
    this.#owner.unqueued();
    if (attempt.cancelled) this.#release();
    else this.take(attempt);
    return false;
  }

  /** Only while it has none. */
  take(attempt: Attempt): void {
    this.#attempt = attempt;
    this.#sent = false;
    attempt.onConnection(this);
    if (this.#socket !== null && !this.#isFresh(attempt)) this.#dropSocket();
    if (this.#socket === null) this.#connect();
    else this.#send();
  }

  /** Bytes of the request's body. False: wait for `onWritable`. */
  write(chunk: Buffer | string): boolean {
    return this.#socket === null ? true : this.#socket.write(chunk, 'latin1');
  }

  cork(): void {
    this.#socket?.cork();
  }

  uncork(): void {
    this.#socket?.uncork();
  }

  /** Back-pressure: no more of the answer is read until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket?.resume();
  }

  /** A body chunk outlives its call: its memory is the caller's, and the next read goes elsewhere. */
  keepChunk(): void {
    this.#buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  }

  /** Ends the attempt without a word to it: the client left, time is up, or the answer came before the request ended. */
  abort(): void {
    if (this.#attempt === null) return;
    this.#dropSocket();
    this.#release();
  }

  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | undefined {
    this.closed = true;
    const closed = new Promise<void>(resolve => {
      this.#onIdle = resolve;
    });
    if (this.#attempt === null) this.#finishClose();
    if (callback === undefined) return closed;
    void closed.then(callback);
    return undefined;
  }

  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> | undefined {
    const callback = typeof first === 'function' ? first : second;
    this.closed = true;
    this.destroyed = true;
    // An answer that has begun, and what may not be sent twice, end as their connection does.
    if (this.#attempt === null || !this.#sent || (this.#attempt.repeatable && this.#parser.silent)) {
      this.#fail('RESET', 'the replica is gone');
      this.#finishClose();
    }
    if (callback === undefined) return Promise.resolve();
    queueMicrotask(callback);
    return undefined;
  }

  /** The replica is gone: ends the attempt unless more came since the last call. True while it goes on. */
  endIfSilent(): boolean {
    if (this.#attempt === null) return false;
    const bytesRead = this.#socket?.bytesRead ?? 0;
    if (bytesRead === this.#seenBytes && !this.#paused) {
      this.#fail('RESET', 'the replica is gone');
      return false;
    }
    this.#seenBytes = bytesRead;
    return true;
  }

  #isFresh(attempt: Attempt): boolean {
    if (attempt.freshOnly) return false;
    const idleMs = this.clock.nowMs() - this.#idleSinceMs;
    return (
      idleMs < (attempt.repeatable ? this.#maxIdleMs : Math.min(this.#maxIdleMs, MAX_IDLE_UNREPEATABLE_MS))
    );
  }

  #connect(): void {
    // Half-open, because a tunnel may close one direction only; plain answers end the socket by themselves.
    const socket: ReplicaSocket = connect({
      host: this.#host,
      port: this.#port,
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: () => this.#buffer, callback: onBytes },
    });
    setAutoDestroy(socket, false);
    socket.connection = this;
    socket.on('connect', onConnect);
    socket.on('end', onEnd);
    socket.on('drain', onDrain);
    socket.on('error', onError);
    socket.on('close', onClose);
    this.#socket = socket;
    this.#paused = false;
    this.#uses = 0;
  }

  /** From here on the events of the old socket concern nobody. */
  #dropSocket(): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.connection = null;
    socket.destroy();
  }

  #send(): void {
    const attempt = this.#attempt!;
    this.#parser.begin(attempt.isHead, attempt.wantsUpgrade);
    this.#uses++;
    const socket = this.#socket!;
    socket.write(attempt.head, 'latin1');
    // A write that fails at once took no byte: the replica is gone, and the request may be sent again whatever its method.
    this.#sent = socket.errored === null;
    attempt.onSent();
  }

  connected(): void {
    if (this.#attempt !== null) this.#send();
  }

  received(chunk: Buffer): void {
    const attempt = this.#attempt;
    // Nobody asked: such a connection would hand the next client somebody else's answer.
    if (attempt === null || !this.#sent) {
      if (attempt !== null) this.#fail('BAD_RESPONSE', 'bytes before the request');
      this.#dropSocket();
      return;
    }
    const parser = this.#parser;
    const used = parser.execute(chunk, attempt);
    if (this.#attempt !== attempt) return;
    if (used === -1) this.#fail('BAD_RESPONSE', parser.fault);
    else if (parser.done) this.#complete(attempt, chunk, used);
    else attempt.onPause();
  }

  ended(): void {
    const attempt = this.#attempt;
    if (attempt === null) this.#dropSocket();
    else if (this.#sent && this.#socket!.errored === null && this.#parser.finish(attempt)) this.abort();
    else this.#fail('RESET', 'closed by the replica');
  }

  failed(error: NodeJS.ErrnoException): void {
    if (this.#attempt === null) this.#dropSocket();
    else if (this.#uses === 0) this.#fail('REFUSED', error.code ?? error.message);
    else if (this.#sent && error.syscall === 'write') this.#readOn(error.code ?? error.message);
    else this.#fail('RESET', error.code ?? error.message);
  }

  /**
   * The replica closed while the request still left: what it answered before (a 413, say) may be here and unread. One
   * whole turn of the event loop reads it.
   */
  #readOn(detail: string): void {
    const socket = this.#socket;
    const giveUp = (): void => {
      if (this.#socket === socket && this.#attempt !== null) this.#fail('RESET', detail);
    };
    setImmediate(() => setImmediate(giveUp));
  }

  writable(): void {
    this.#attempt?.onWritable();
  }

  #complete(attempt: Attempt, chunk: Buffer, used: number): void {
    const { head } = this.#parser;
    if (head.status === 101) {
      const socket = this.#socket!;
      socket.removeAllListeners();
      setAutoDestroy(socket, true);
      socket.connection = null;
      this.#socket = null;
      this.#release();
      attempt.onUpgraded(socket, Buffer.from(chunk.subarray(used)));
      return;
    }
    if (!head.keepAlive) this.#dropSocket();
    if (this.#paused) this.resume();
    const hintMs = head.keepAliveS === -1 ? MAX_IDLE_MS * 2 : head.keepAliveS * 1000;
    this.#maxIdleMs = Math.min(MAX_IDLE_MS, Math.max(hintMs / 2, hintMs - KEEP_ALIVE_MARGIN_MS));
    this.#release();
  }

  #fail(code: ProxyErrorCode, detail: string): void {
    const attempt = this.#attempt;
    const stale = this.#uses > 1 && this.#parser.silent && code === 'RESET' && !this.destroyed;
    const sent = this.#sent;
    this.#dropSocket();
    if (attempt === null) return;
    this.#release();
    attempt.onFault(code, detail, sent, stale);
  }

  /**
   * Free for the next one, but only after this turn of the event loop: bytes that came behind an answer are then read
   * (and end the connection) before they could pass for the answer to the next request (undici GHSA-35p6-xmwp-9g52).
   */
  #release(): void {
    this.#attempt = null;
    this.#sent = false;
    if (cooling.push(this) === 1) setImmediate(releaseAll);
  }

  cooled(nowMs: number): void {
    this.#idleSinceMs = nowMs;
    if (this.closed) this.#finishClose();
    else this.#owner.freed(this);
  }

  /** Somebody waits in the pool's queue. */
  tellPool(): void {
    // The types of undici leave out the list of dispatchers that its pool reads.
    EventEmitter.prototype.emit.call(this, 'drain', this.#origin, [this]);
  }

  #finishClose(): void {
    this.#dropSocket();
    this.#onIdle?.();
    this.#onIdle = null;
  }
}

/** Node's streams close as soon as a write fails, and take what is still to be read with them. */
function setAutoDestroy(socket: Socket, on: boolean): void {
  const { _readableState, _writableState } = socket as unknown as Inside;
  _readableState.autoDestroy = on;
  _writableState.autoDestroy = on;
}
interface Inside {
  _readableState: { autoDestroy: boolean };
  _writableState: { autoDestroy: boolean };
}

/** Listeners are shared functions that find their connection on the socket: none is made per request or per socket. */
interface ReplicaSocket extends Socket {
  connection?: Connection | null;
}

function onConnect(this: ReplicaSocket): void {
  this.connection?.connected();
}
function onBytes(this: ReplicaSocket, count: number, buffer: Uint8Array): boolean {
  const chunk = (buffer as Buffer).subarray(0, count);
  const { connection } = this;
  // Nobody's any more: a tunnel, which reads it as an ordinary stream.
  if (!connection) return this.push(Buffer.from(chunk));
  connection.received(chunk);
  return true;
}
function onEnd(this: ReplicaSocket): void {
  this.connection?.ended();
}
function onDrain(this: ReplicaSocket): void {
  this.connection?.writable();
}
function onError(this: ReplicaSocket, error: NodeJS.ErrnoException): void {
  this.connection?.failed(error);
}
function onClose(this: ReplicaSocket): void {
  this.connection?.ended();
}

let cooling: Connection[] = [];
let cooled: Connection[] = [];

function releaseAll(): void {
  const batch = cooling;
  cooling = cooled;
  cooled = batch;
  // One look at the clock for all that came free in this turn.
  const nowMs = batch[0]!.clock.nowMs();
  for (let index = 0; index < batch.length; index++) batch[index]!.cooled(nowMs);
  batch.length = 0;
}
