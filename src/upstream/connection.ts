// Hot: runs per request; no closure, no promise, one write per request without a body.
// One HTTP/1.1 connection to a replica, as an undici Dispatcher, so that undici's Pool keeps, counts and queues for it
// while the bytes are torc's own: undici's Client refuses `Expect`, `OPTIONS *` and request trailers, moves `Host` and
// `Content-Length`, and cannot say whether a failed request had left (docs/decisions/0004-upstream-client.md).
//
// A connection carries one attempt at a time, or several that left together (pipelining.ts); those are answered in order,
// and whatever ends the connection before their turn sends them elsewhere. It reconnects when the next attempt comes. A
// socket is used again only while it is surely fresh: one that the replica is about to close loses a request (RFC 9112
// section 9.3.1), which a retry repairs for requests that may be sent again, and which is avoided for others.

import type { Dispatcher } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import { type Cooling, coolLater, type Sender, sendLater } from '../core/turn-end.ts';
import { type Attempt, type Carrier, isNobody, nobodyFor } from './attempt.ts';
import { MOST_BEHIND } from './pipelining.ts';
import { PoolMember } from './pool-member.ts';
import type { ReplicaSocket, SocketUser, Target } from './replica-socket.ts';
import { abandon, connectFault, endBody, handOver, openSocket, put, writeBody } from './replica-socket.ts';
import { ResponseParser } from './response.ts';
import { NO_BODY } from './response-head.ts';

/** Idle sockets older than this are not used again: Node, the shortest of the common servers, closes them at 5 s. */
const MAX_IDLE_MS = 4000;
/** For requests that cannot be sent twice: no common server closes a connection it used within the second. */
const MAX_IDLE_UNREPEATABLE_MS = 1000;
/** Taken off a replica's own `keep-alive: timeout` for the way there and its clock; of a short one half. */
const KEEP_ALIVE_MARGIN_MS = 1000;

/** Who decides what a free connection does next. */
export interface Owner {
  unqueued(): void;
  freed(connection: Connection): void;
  /** It ended, or has to, while requests waited on it behind another. */
  distrust(): void;
  /** What came over it is no answer, or nobody's. */
  broken(): void;
}

export class Connection extends PoolMember implements Carrier, SocketUser, Sender, Cooling {
  readonly #target: Target;
  readonly clock: Clock;
  readonly #owner: Owner;
  readonly #parser = new ResponseParser();
  #socket: ReplicaSocket | null = null;
  /** The one whose answer is next. */
  #attempt: Attempt | null = null;
  /** Those that are answered after it, in order. */
  #behind: Attempt[] = [];
  /** What leaves when this turn is over; '' where nothing does. */
  #batch = '';
  /** Times that `isLate` has seen the same first attempt wait. */
  #looks = 0;
  #isFirst = true;
  /** What was behind has been moved: the connection ends with the answer that is under way. */
  #isLast = false;
  #sent = false;
  #paused = false;
  #uses = 0;
  #idleSinceMs = 0;
  #maxIdleMs = MAX_IDLE_MS;
  /** Bytes of the socket when `endIfSilent` looked last. */
  #seenBytes = -1;

  constructor(origin: URL, target: Target, clock: Clock, owner: Owner) {
    super(origin);
    this.#target = target;
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

  /** Only while it has none. True: it leaves when this turn is over, perhaps with what `append` adds. */
  take(attempt: Attempt): boolean {
    this.#attempt = attempt;
    this.#sent = false;
    this.#isFirst = true;
    this.#isLast = false;
    attempt.onConnection(this);
    if (this.#socket !== null && !this.#isFresh(attempt)) this.dropSocket();
    if (this.#socket === null) this.#connect();
    // Its body follows at once.
    else if (attempt.framing !== NO_BODY) this.#send();
    else {
      this.#expect(attempt);
      this.#batch = attempt.head;
      sendLater(this);
      attempt.onSent();
      return true;
    }
    return false;
  }

  /** Sends it behind those of this turn; false where that cannot be. */
  append(attempt: Attempt): boolean {
    if (this.#batch === '' || this.#behind.length === MOST_BEHIND || !this.#attempt!.mayPipeline)
      return false;
    this.#behind.push(attempt);
    this.#batch += attempt.head;
    attempt.onConnection(this);
    attempt.onSent();
    return true;
  }

  write(chunk: Buffer, isGiven: boolean): boolean {
    return this.#socket === null || writeBody(this.#socket, this.#attempt!.framing, chunk, isGiven);
  }

  end(trailers: string): void {
    if (this.#socket !== null) endBody(this.#socket, this.#attempt!.framing, trailers);
  }

  cork(): void {
    this.#socket?.cork();
  }

  uncork(): void {
    this.#socket?.uncork();
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
    // Its client reads slowly: nobody else's business.
    this.#moveBehind();
  }

  resume(): void {
    this.#paused = false;
    this.#socket?.resume();
  }

  abort(attempt: Attempt): void {
    if (attempt === this.#attempt && this.#behind.length === 0) {
      this.dropSocket();
      this.#release();
      return;
    }
    // Its answer has its place among the others' all the same.
    const index = this.#behind.indexOf(attempt);
    if (index !== -1) this.#behind[index] = nobodyFor(attempt);
    else if (attempt === this.#attempt) this.#attempt = nobodyFor(attempt);
    if (this.#paused) this.resume();
  }

  protected override leave(): void {
    // An answer that has begun, and what may not be sent twice, end as their connection does.
    if (this.#attempt === null || !this.#sent || (this.#attempt.repeatable && this.#parser.silent)) {
      this.#fail('RESET', 'the replica is gone');
      this.finishClose();
    }
    this.#moveBehind();
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

  /**
   * To be asked at intervals: has the first attempt waited since the last call but one? Then those behind it are moved. True
   * where any were.
   */
  isLate(): boolean {
    if (this.#behind.length === 0 || ++this.#looks < 2) return false;
    this.#moveBehind();
    this.#dropIfNobody();
    return true;
  }

  protected override get isIdle(): boolean {
    return this.#attempt === null;
  }

  /** Others wait behind the first. */
  get isShared(): boolean {
    return this.#behind.length > 0;
  }

  /** Those behind the first are sent again; the connection ends with the first one's answer. */
  #moveBehind(): void {
    if (this.#behind.length === 0) return;
    const behind = this.#behind;
    this.#behind = [];
    this.#isLast = true;
    for (const attempt of behind) attempt.onMoved();
  }

  /** Nobody is left who waits for an answer. */
  #dropIfNobody(): void {
    if (this.#attempt === null || !isNobody(this.#attempt) || this.#behind.length > 0) return;
    this.dropSocket();
    this.#release();
  }

  #isFresh(attempt: Attempt): boolean {
    if (attempt.freshOnly) return false;
    const idleMs = this.clock.nowMs() - this.#idleSinceMs;
    return idleMs < this.#maxIdleMs && (idleMs < MAX_IDLE_UNREPEATABLE_MS || attempt.repeatable);
  }

  #connect(): void {
    this.#socket = openSocket(this.#target, this);
    this.#paused = false;
    this.#uses = 0;
  }

  /** From here on the events of the old socket concern nobody. */
  protected override dropSocket(): void {
    const socket = this.#socket;
    this.#batch = '';
    if (socket === null) return;
    this.#socket = null;
    abandon(socket);
  }

  #send(): void {
    const attempt = this.#attempt!;
    this.#expect(attempt);
    this.#write(attempt.head);
    attempt.onSent();
  }

  /** The next answer is this one's. */
  #expect(attempt: Attempt): void {
    this.#parser.begin(attempt.isHead, attempt.wantsUpgrade);
    this.#uses++;
    this.#looks = 0;
  }

  #write(text: string): void {
    const socket = this.#socket!;
    put(socket, this.#target, text);
    // A write that fails at once took no byte: the replica is gone, and the request may be sent again whatever its method.
    this.#sent = socket.errored === null;
  }

  sendNow(): void {
    const batch = this.#batch;
    this.#batch = '';
    if (batch !== '' && this.#socket !== null) this.#write(batch);
  }

  connected(): void {
    if (this.#attempt !== null) this.#send();
  }

  received(chunk: Buffer): void {
    if (this.#attempt !== null && this.#sent) this.#read(chunk);
    // Nobody asked: such a connection would hand the next client somebody else's answer.
    else this.#fail('BAD_RESPONSE', 'bytes before the request');
  }

  #read(chunk: Buffer): void {
    const parser = this.#parser;
    let at = 0;
    do {
      const attempt = this.#attempt!;
      parser.isFollowed = this.#behind.length > 0 || this.#isLast;
      at = parser.execute(chunk, attempt, at);
      if (at === -1) {
        this.#fail('BAD_RESPONSE', parser.fault);
        return;
      }
      // It was given up meanwhile.
      if (this.#attempt !== attempt) return;
      if (!parser.done) {
        attempt.onPause();
        if (parser.isDoubtful) this.#moveBehind();
        this.#dropIfNobody();
        return;
      }
      if (!parser.head.keepAlive && this.#behind.length > 0) {
        this.#owner.distrust();
        this.#moveBehind();
      }
      if (this.#behind.length === 0) {
        this.#complete(attempt, chunk, at);
        return;
      }
      this.#attempt = this.#behind.shift()!;
      this.#isFirst = false;
      this.#expect(this.#attempt);
    } while (at < chunk.length);
  }

  ended(): void {
    const attempt = this.#attempt;
    if (attempt === null) this.dropSocket();
    else if (this.#sent && this.#socket!.errored === null && this.#parser.finish(attempt))
      this.abort(attempt);
    else this.#fail('RESET', 'closed by the replica');
  }

  failed(error: NodeJS.ErrnoException): void {
    if (this.#attempt === null) this.dropSocket();
    else if (this.#uses === 0) this.#fail(...connectFault(this.#target, error));
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
      const socket = handOver(this.#socket!);
      this.#socket = null;
      this.#release();
      attempt.onUpgraded(socket, Buffer.from(chunk.subarray(used)));
      return;
    }
    if (!head.keepAlive || this.#isLast) this.dropSocket();
    if (this.#paused) this.resume();
    const hintMs = head.keepAliveS === -1 ? MAX_IDLE_MS * 2 : head.keepAliveS * 1000;
    this.#maxIdleMs = Math.min(MAX_IDLE_MS, Math.max(hintMs / 2, hintMs - KEEP_ALIVE_MARGIN_MS));
    this.#release();
  }

  #fail(code: ProxyErrorCode, detail: string): void {
    const attempt = this.#attempt;
    const stale = this.#uses > 1 && this.#parser.silent && code === 'RESET' && !this.destroyed;
    const sent = this.#sent;
    this.dropSocket();
    if (code === 'BAD_RESPONSE') this.#owner.broken();
    if (attempt === null) return;
    const behind = this.#behind;
    this.#behind = [];
    // One that was idle may have been closed while the requests were on their way.
    if (behind.length > 0 && !(stale && this.#isFirst)) this.#owner.distrust();
    this.#release();
    attempt.onFault(code, detail, sent, stale);
    // No failure of theirs; but where nobody listens any more, one of them may have been its end (exchange/attempt.ts).
    if (code === 'RESET') for (const other of behind) other.onFault(code, detail, sent, !this.destroyed);
    else for (const other of behind) other.onMoved();
  }

  /**
   * Free for the next one, but only after this turn of the event loop: bytes that came behind an answer are then read
   * (and end the connection) before they could pass for the answer to the next request (undici GHSA-35p6-xmwp-9g52).
   */
  #release(): void {
    this.#attempt = null;
    this.#sent = false;
    coolLater(this);
  }

  cooled(nowMs: number): void {
    this.#idleSinceMs = nowMs;
    if (this.closed) this.finishClose();
    else this.#owner.freed(this);
  }
}
