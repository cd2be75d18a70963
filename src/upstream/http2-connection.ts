// One HTTP/2 connection to a replica (RFC 9113): node:http2's session on a socket of torc's own, and the attempts on it.
// It takes attempts when the replica has sent its SETTINGS, its first frame by section 3.4: then it speaks HTTP/2 for
// certain, has said how many streams it takes, and lives: a paused program's kernel accepts a connection, but sends none. So what a
// replica fails to take on can be sent to another one, whatever its method.
//
// A connection that broke without a word (a network that went away) would hold its requests for ever, where one request per
// connection loses one: so a stream that was given up without a sign of the replica has the connection asked (PING).

import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../core/clock.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { Attempt } from './attempt.ts';
import { StreamCarrier, type StreamOwner } from './http2-stream.ts';
import { connectFault, openStream, type Target } from './replica-socket.ts';

/** What a peer takes that has not said (RFC 9113 section 6.5.2 recommends no less). */
const USUAL_STREAMS = 100;
/** Of a head, and of trailers; as for HTTP/1.1. */
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_FIELDS = 2000;
/** All streams together; each has 64 KiB, so that one that is not read does not fill it. */
const WINDOW_BYTES = 1024 * 1024;
/** There are 2^30 stream numbers (RFC 9113 section 5.1.1). */
const MOST_STREAMS = 2 ** 30 - 1000;
/** For connections that nothing comes from, as for tunnels. */
const KEEP_ALIVE_MS = 15_000;

const OPENING = 0;
const OPEN = 1;
/** What is on it goes on, and nothing new comes. */
const LEAVING = 2;
const CLOSED = 3;

export interface ConnectionOwner {
  readonly connectTimeoutMs: number;
  /** There is room on it that was not there before, or it is over. */
  changed(): void;
  closed(connection: Http2Connection): void;
}

export class Http2Connection implements StreamOwner {
  readonly scheme: 'http' | 'https';
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #streams = new Set<StreamCarrier>();
  readonly #timer: Timer;
  readonly openedAtMs: number;
  #state = OPENING;
  #mostStreams = USUAL_STREAMS;
  #taken = 0;
  #answered = 0;
  lastStreamId = Number.POSITIVE_INFINITY;
  isDestroyed = false;
  #isAsking = false;
  /** Bytes of the socket at the last stream, and when `endIfSilent` looked last. */
  #bytesAtSend = 0;
  #seenBytes = -1;
  /** Since when it has no stream. */
  idleSinceMs: number;
  #endDetail = '';
  #fault: [ProxyErrorCode, string] = ['REFUSED', 'closed before its first frame'];

  constructor(target: Target, clock: Clock, owner: ConnectionOwner) {
    this.#target = target;
    this.#clock = clock;
    this.#owner = owner;
    this.scheme = target.tls === null ? 'http' : 'https';
    this.openedAtMs = clock.nowMs();
    this.idleSinceMs = this.openedAtMs;
    const socket = openStream(target, ['h2']);
    this.#socket = socket;
    // Before node:http2's own listeners, which end the streams.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isHttp = error.code?.startsWith('ERR_HTTP2_') === true;
      this.#endDetail ||= isHttp ? error.message : (error.code ?? error.message);
      if (this.#state === OPENING)
        this.#fault = isHttp
          ? ['REFUSED', `no HTTP/2 is spoken there: ${error.message}`]
          : connectFault(target, error);
    });
    socket.on('close', () => {
      this.#endDetail ||= 'closed by the replica';
    });
    this.#session = this.#connect(socket);
    this.#timer = clock.after(owner.connectTimeoutMs, () =>
      this.#destroy('CONNECT_TIMEOUT', `no SETTINGS within ${owner.connectTimeoutMs} ms`),
    );
  }

  #connect(socket: Socket): ClientHttp2Session {
    const { host, port } = this.#target;
    const options = {
      createConnection: () => socket,
      settings: { enablePush: false, maxHeaderListSize: MAX_HEAD_BYTES },
      maxHeaderListPairs: MAX_FIELDS,
      // What is said twice goes on as it came.
      strictSingleValueFields: false,
    };
    const authority = isSocketPath(host) ? 'localhost' : hostPort(host, port);
    const session = connect(`${this.scheme}://${authority}`, options);
    session.on('connect', () => {
      if (session.destroyed) return;
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      session.setLocalWindowSize(WINDOW_BYTES);
    });
    session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      this.#mostStreams = maxConcurrentStreams ?? USUAL_STREAMS;
      if (this.#state === OPENING) this.#opened();
      else this.#owner.changed();
    });
    session.on('goaway', (code, lastStreamId) => {
      if (this.#state === OPEN) this.#state = LEAVING;
      this.lastStreamId = lastStreamId;
      if (code !== 0) this.#endDetail = `the replica ended the connection (GOAWAY, error ${code})`;
    });
    // Its socket has told.
    session.on('error', () => {});
    session.on('close', () => this.#closed());
    return session;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get hasRoom(): boolean {
    if (this.#state === OPENING) return true;
    return this.#state === OPEN && this.#streams.size < this.#mostStreams && this.#taken < MOST_STREAMS;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get isIdle(): boolean {
    return this.#streams.size === 0;
  }

  get isOpening(): boolean {
    return this.#state === OPENING;
  }

  /** It takes none for now, but may again: another one would be told the same. */
  get isShut(): boolean {
    return this.#state === OPEN && this.#mostStreams === 0;
  }

  get wasUsed(): boolean {
    return this.#answered > 0;
  }

  get endDetail(): string {
    return this.#session.destroyed && this.#endDetail === '' ? 'the connection broke' : this.#endDetail;
  }

  take(attempt: Attempt): void {
    const stream = new StreamCarrier(attempt, this);
    this.#streams.add(stream);
    this.#taken++;
    attempt.onConnection(stream);
    if (this.#state === OPEN) this.#send(stream);
  }

  #send(stream: StreamCarrier): void {
    this.#bytesAtSend = this.#socket.bytesRead;
    stream.send(this.#session);
  }

  #opened(): void {
    this.#timer.cancel();
    const { tls } = this.#target;
    if (tls !== null && (this.#socket as Socket & { alpnProtocol?: unknown }).alpnProtocol !== 'h2') {
      this.#destroy('REFUSED', 'no HTTP/2 is spoken there: ALPN chose another protocol');
      return;
    }
    this.#state = OPEN;
    for (const stream of [...this.#streams])
      if (this.#streams.size <= this.#mostStreams) this.#send(stream);
      else {
        this.#streams.delete(stream);
        stream.attempt.onMoved();
      }
    this.#owner.changed();
  }

  left(stream: StreamCarrier, isSuspicious: boolean): void {
    this.#streams.delete(stream);
    if (!stream.isSilent) this.#answered++;
    if (this.#streams.size === 0) this.idleSinceMs = this.#clock.nowMs();
    if (isSuspicious && this.#bytesAtSend === this.#socket.bytesRead) this.#ask();
    if (this.#streams.size === 0 && (this.#state === LEAVING || this.#state === OPENING)) this.close();
    else if (this.#state === OPEN) this.#owner.changed();
  }

  /** Is anybody there? */
  #ask(): void {
    if (this.#isAsking || this.#session.destroyed) return;
    this.#isAsking = true;
    const { bytesRead } = this.#socket;
    this.#session.ping(() => {});
    this.#clock.after(this.#owner.connectTimeoutMs, () => {
      this.#isAsking = false;
      // The poll between timer and immediate reads what was there already when we were late.
      setImmediate(() => {
        if (this.#socket.bytesRead === bytesRead) this.#destroy('RESET', 'no answer to a PING');
      });
    });
  }

  /** Nothing new comes; what is on it goes on to its end. */
  leave(): void {
    if (this.#streams.size === 0) this.close();
    else if (this.#state === OPEN) this.#state = LEAVING;
  }

  /** The replica is dead or hangs: who may be sent again, and has seen nothing of an answer, is; the others go on. */
  lose(): void {
    this.isDestroyed = true;
    for (const stream of [...this.#streams])
      if (!stream.isSent || (stream.attempt.repeatable && stream.isSilent))
        stream.fail('RESET', 'the replica is gone', stream.isSent);
    this.leave();
  }

  /** Ends what nothing came for since the last call; how many go on. */
  endIfSilent(): number {
    const { bytesRead } = this.#socket;
    if (bytesRead === this.#seenBytes)
      for (const stream of [...this.#streams])
        if (!stream.isPaused) stream.fail('RESET', 'the replica is gone', stream.isSent);
    this.#seenBytes = bytesRead;
    return this.#streams.size;
  }

  /** Nothing is on it. */
  close(): void {
    if (this.#state === CLOSED) return;
    this.#closed();
    this.#session.destroy();
  }

  #destroy(code: ProxyErrorCode, detail: string): void {
    if (this.#state === CLOSED) return;
    this.#fault = [code, detail];
    this.#endDetail = detail;
    this.#closed();
    this.#session.destroy();
  }

  #closed(): void {
    if (this.#state === CLOSED) return;
    const [code, detail] = this.#fault;
    this.#state = CLOSED;
    this.#timer.cancel();
    this.#owner.closed(this);
    for (const stream of [...this.#streams])
      if (stream.isSent) stream.fail('RESET', this.endDetail, true);
      else stream.fail(code, detail, false);
  }
}
