// Hot: runs per request; no closure, no promise, no object but the exchange itself; one write per small response.
// One exchange: a client's request, the attempts made for it, and the one answer. It is an object with methods instead
// of a chain of callbacks, because a proxy is a machine with two ends that may each stop, fail or hurry at any moment,
// and here every such moment is one method.
//
//   start -> pick -> Upstream.dispatch -> onConnection -> onSent (head, body) -> onHead -> onBody* -> onEnd -> finish
//              ^                                              |
//              +------------- onFault: may we try again? -----+--> reply with core/errors
//
// A small answer (length known, all of it there) leaves as one string with its head; all else streams, and each side
// pauses the other through `write` returning false. The deadline is one number, looked at by the server's sweep: a
// timer per phase of each request would cost more than the sweep over all of them.

import type { Socket } from 'node:net';
import type { Config } from '../config/fields.ts';
import type { Clock } from '../core/clock.ts';
import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { SuspectHint } from '../core/types.ts';
import type { Attempt, Connection } from '../routing/connection.ts';
import type { Counters, SlotCounters } from '../routing/counters.ts';
import { FoundKey, findKey } from '../routing/key.ts';
import { NO_SLOT, pick } from '../routing/pick.ts';
import { BY_LENGTH, NO_BODY, type ResponseHead } from '../routing/response.ts';
import type { Snapshot, SnapshotHolder } from '../routing/snapshot.ts';
import type { Upstream } from '../routing/upstream.ts';
import { isIdempotent, mayTryAgain, type RetryBudget } from './attempt.ts';
import { withoutClaims } from './claims.ts';
import type { Client } from './client.ts';
import type { FaultLog } from './fault-log.ts';
import { pairsOf, trailerPairsOf, trailersOf } from './field-lines.ts';
import { buildRequestHead, RequestHead } from './headers.ts';
import type { ProxyRequest, ProxyResponse } from './http-messages.ts';
import { replyError, replyLastHop, replyUnknownEndpoint } from './reply.ts';
import type { RequestIds } from './request-id.ts';
import type { Tunnels } from './upgrade.ts';
import { flushHead, mayPutWhole, putHead, putWhole, withoutContinue } from './wire.ts';

/** Bodies of requests up to this size are kept for a second attempt. */
const SMALL_BODY_BYTES = 64 * 1024;
/** One hint a second per replica is as good as a thousand. */
const SUSPECT_INTERVAL_MS = 1000;

const NOT_TRIED: number[] = [];

/** What all exchanges of a worker share. */
export interface Shared {
  readonly config: Config;
  readonly snapshots: SnapshotHolder;
  readonly counters: Counters;
  readonly suspect: (hint: SuspectHint) => void;
  /** Takes a line of the access log. */
  readonly access: Log['info'];
  readonly faults: FaultLog;
  readonly tunnels: Tunnels;
  readonly ids: RequestIds;
  readonly clock: Clock;
  readonly random: Random;
  /** Exchanges at work; the sweep looks at their deadlines. */
  readonly running: Exchange[];
  /** Attempts at work, as bounded load counts them. */
  inFlight: number;
  readonly retryBudget: RetryBudget;
  draining: boolean;
  /** The value of a Date field for this second. */
  date: string;
  /** The time of the last sweep plus one interval: deadlines count from here, which saves reading the clock. */
  soonMs: number;
}

const QUEUED = 0;
const CONNECTING = 1;
const WAITING = 2;
const ANSWERING = 3;

// Filled and read within one call each: no two requests are ever in it at once.
const requestHead = new RequestHead();
const foundKey = new FoundKey();

export class Exchange implements Attempt {
  /** Where it stands in `running`: entering and leaving a list costs less than hashing into a set. */
  #at: number;
  readonly #shared: Shared;
  readonly #client: Client;
  readonly #request: ProxyRequest;
  readonly #response: ProxyResponse;
  readonly method: string;
  /** The request's target as the replica gets it; `path` is undici's word for it. */
  path = '/';
  head = '';
  readonly isHead: boolean;
  readonly upgrade: string;
  readonly #idempotent: boolean;
  #snapshot!: Snapshot;
  #hash = 0;
  #keyText = '';
  #keyStart = 0;
  #keyEnd = -1;
  readonly #startedMs: number;
  deadlineMs = 0;
  #phase = QUEUED;
  #upstream: Upstream | null = null;
  #slotCounters: SlotCounters | null = null;
  #connection: Connection | null = null;
  #tried = NOT_TRIED;
  #retries = 0;
  #attempts = 0;
  #staleRetried = false;
  freshOnly = false;
  cancelled = false;
  #finished = false;

  // The request's body.
  #hasBody = false;
  #chunkedBody = false;
  #bodyBytes = 0;
  /** What was read of the body while it may have to be sent again; null once it is too much. */
  #kept: Buffer[] | null = null;
  #bodyEnded = true;
  #bodySent = true;
  #bodyBlocked = false;

  // The answer.
  #status = 0;
  #headText = '';
  #headPut = false;
  #small = '';
  #chunkedAnswer = false;
  #replaced = false;
  #paused = false;
  #listensToDrain = false;

  // What is told about it.
  #id = '';
  /** How torc ended it itself. */
  #code: ProxyErrorCode | null = null;
  #answerBytes = 0;
  #firstByteMs = 0;

  constructor(
    shared: Shared,
    client: Client,
    request: ProxyRequest,
    response: ProxyResponse,
    upgrade: string,
  ) {
    this.#shared = shared;
    this.#client = client;
    this.#request = request;
    this.#response = response;
    this.method = request.method!;
    this.isHead = this.method === 'HEAD';
    this.upgrade = upgrade;
    this.#idempotent = isIdempotent(this.method);
    this.#startedMs = shared.clock.nowMs();
    request.exchange = this;
    response.exchange = this;
    client.running.push(this);
    this.#at = shared.running.push(this) - 1;
  }

  get wantsUpgrade(): boolean {
    return this.upgrade !== '';
  }

  get repeatable(): boolean {
    return this.#idempotent && (this.#bodyEnded || !this.#hasBody) && (this.#kept !== null || !this.#hasBody);
  }

  get hasLength(): boolean {
    return this.#hasBody && !this.#chunkedBody;
  }

  /** True while bytes of this request's body are still to come from the client. */
  get uploading(): boolean {
    return !this.#request.complete;
  }

  get #now(): number {
    return this.#shared.clock.nowMs();
  }

  start(): void {
    const request = this.#request;
    const { rawHeaders } = request;
    const isHttp11 = request.httpVersionMinor === 1;
    const head = requestHead;
    const fault = buildRequestHead(
      this.method,
      request.url!,
      rawHeaders,
      isHttp11,
      this.upgrade,
      this.#client,
      'torc',
      head,
    );
    if (fault !== '' || request.httpVersionMajor !== 1 || request.isBroken) {
      this.#refuse('BAD_REQUEST', true);
      return;
    }
    if (this.method === 'TRACE' && !this.#shared.config.trace) {
      this.#refuse('TRACE_REFUSED', head.chunked || head.contentLength > 0);
      return;
    }
    this.path = head.target;
    this.head = head.text;
    if (head.maxForwards === 0) {
      this.#client.closing ||= !this.#response.shouldKeepAlive;
      this.#status = 200;
      replyLastHop(this.#response, this.method, head.target, rawHeaders);
      this.#finish();
      return;
    }
    if (head.chunked || head.contentLength > 0) this.#beginBody(head.chunked);
    this.#snapshot = this.#shared.snapshots.current;
    this.#findKey(rawHeaders);
    this.#attempt('NO_REPLICA', 'no slot is ready');
  }

  #findKey(rawHeaders: readonly string[]): void {
    const key = foundKey;
    const client = this.#client;
    const ip = client.trusted ? client.addressOf(rawHeaders) : client.ip;
    if (findKey(this.#shared.config.key, this.path, rawHeaders, ip, key)) {
      this.#keyText = key.text;
      this.#keyStart = key.start;
      this.#keyEnd = key.end;
      this.#hash = this.#snapshot.keyHash(key.text, key.start, key.end);
    } else {
      this.#hash = (this.#shared.random() * 0x1_0000_0000) >>> 0;
      this.#keyStart = this.#hash;
    }
  }

  // ---- attempts

  /** Sends the request to the next choice; without one the exchange fails with what went wrong last. */
  #attempt(lastCode: ProxyErrorCode, lastDetail: string): void {
    const shared = this.#shared;
    const snapshot = this.#snapshot;
    const slotId = pick(snapshot, this.#hash, this.#tried, shared.config.balanceFactor, shared.inFlight);
    if (slotId === NO_SLOT) {
      this.#fail(lastCode, lastDetail);
      return;
    }
    const upstream = snapshot.upstreams[slotId]!;
    this.#slotCounters = shared.counters.of(slotId, upstream.slot, upstream.replicaId);
    this.#upstream = upstream;
    if (upstream.full) {
      this.#fail('QUEUE_FULL', `${upstream.inFlight} requests`);
      return;
    }
    this.#dispatch(upstream);
  }

  #dispatch(upstream: Upstream): void {
    this.#phase = QUEUED;
    this.#attempts++;
    this.#bodyBlocked = false;
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.responseTimeoutMs;
    this.#shared.inFlight++;
    this.#slotCounters!.inFlight++;
    upstream.dispatch(this);
  }

  /** The attempt is over, however it went; its tunnel, if it became one, has its own end. */
  #endAttempt(): void {
    this.#connection = null;
    this.#shared.inFlight--;
    this.#slotCounters!.inFlight--;
    this.#upstream!.end();
  }

  onConnection(connection: Connection): void {
    this.#connection = connection;
    this.#phase = CONNECTING;
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.connectTimeoutMs;
  }

  onSent(): void {
    this.#phase = WAITING;
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.responseTimeoutMs;
    if (this.#hasBody) this.#sendBody();
  }

  /** undici's pool says so when it is closed already: nothing was sent. */
  onResponseError(_controller: unknown, error: Error): void {
    this.onFault('REFUSED', error.message, false, false);
  }

  onFault(code: ProxyErrorCode, detail: string, sent: boolean, stale: boolean): void {
    if (this.#finished) return;
    const upstream = this.#upstream!;
    this.#endAttempt();
    if (!stale) {
      this.#slotCounters!.errors++;
      this.#suspect(upstream, code, detail);
    }
    const answered = this.#phase === ANSWERING;
    const replayable = !this.#hasBody || this.#kept !== null;
    if (stale && !answered && replayable && (this.#idempotent || !sent) && !this.#staleRetried) {
      // The replica closed an idle connection, as it may: no failure, and the key's own slot is still the right one.
      this.#staleRetried = true;
      this.freshOnly = true;
      this.#dispatch(upstream);
      return;
    }
    const again = { sent, idempotent: this.#idempotent, replayable, answered, retries: this.#retries };
    const worthIt = code === 'REFUSED' || code === 'RESET' || code === 'CONNECT_TIMEOUT';
    if (!worthIt || !mayTryAgain(again, this.#shared.config.retries)) this.#fail(code, detail);
    else if (!this.#takeBudget()) this.#fail(code, `${detail}; the retry budget is used up`);
    else this.#retry(upstream, code, detail);
  }

  #retry(failed: Upstream, code: ProxyErrorCode, detail: string): void {
    this.#shared.counters.retries++;
    this.freshOnly = false;
    // What was true at the first attempt may be why it failed: its replica is perhaps out of routing by now.
    this.#snapshot = this.#shared.snapshots.current;
    // A slot that has another replica by now was not tried: a warm spare is there some milliseconds after a death.
    if (this.#snapshot.upstreams[failed.slotId] === failed) {
      if (this.#tried === NOT_TRIED) this.#tried = [];
      this.#tried.push(failed.slotId);
    }
    this.#attempt(code, detail);
  }

  #takeBudget(): boolean {
    const { retryBudget, counters } = this.#shared;
    if (!retryBudget.take(this.#retries === 0)) {
      counters.budgetRefusals++;
      return false;
    }
    this.#retries++;
    return true;
  }

  #suspect(upstream: Upstream, code: ProxyErrorCode, detail: string): void {
    const now = this.#now;
    if (now - upstream.suspectedAtMs < SUSPECT_INTERVAL_MS) return;
    upstream.suspectedAtMs = now;
    const { slot, replicaId } = upstream;
    const cause =
      code === 'REFUSED'
        ? 'refused'
        : code === 'RESET'
          ? 'reset'
          : code === 'BAD_RESPONSE'
            ? 'error'
            : 'timeout';
    this.#shared.suspect({ slot, replicaId, cause, detail });
  }

  // ---- the request's body: client -> replica

  #beginBody(chunked: boolean): void {
    const request = this.#request;
    this.#hasBody = true;
    this.#chunkedBody = chunked;
    this.#kept = [];
    this.#bodyEnded = false;
    this.#bodySent = false;
    request.on('data', onRequestData);
    request.on('end', onRequestEnd);
  }

  requestData(chunk: Buffer): void {
    if (this.#finished || (this.#status !== 0 && this.#bodySent)) return;
    this.#bodyBytes += chunk.length;
    const sending = this.#phase >= WAITING;
    if (this.#kept !== null) {
      if (this.#bodyBytes <= SMALL_BODY_BYTES || !sending) this.#kept.push(chunk);
      else this.#kept = null;
    }
    if (sending) this.#writeBody(chunk);
    else if (this.#bodyBytes > SMALL_BODY_BYTES) this.#request.pause();
  }

  requestEnded(): void {
    this.#bodyEnded = true;
    if (this.#finished) this.#client.idleSinceMs = this.#shared.soonMs;
    else if (this.#phase >= WAITING) this.#endBody();
  }

  /** A new attempt starts with what is kept; the rest follows as it comes. */
  #sendBody(): void {
    this.#bodySent = false;
    const kept = this.#kept!;
    const connection = this.#connection!;
    // Head and first bytes leave together; nextTick is after the chunks that Node has read already.
    connection.cork();
    process.nextTick(uncork, connection);
    for (let index = 0; index < kept.length; index++) this.#writeBody(kept[index]!);
    if (this.#bodyBytes > SMALL_BODY_BYTES) this.#kept = null;
    if (this.#bodyEnded) this.#endBody();
    else if (!this.#bodyBlocked) this.#request.resume();
  }

  #writeBody(chunk: Buffer): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#phase === WAITING) this.deadlineMs = this.#shared.soonMs + this.#shared.config.idleTimeoutMs;
    let more: boolean;
    if (this.#chunkedBody) {
      connection.cork();
      connection.write(`${chunk.length.toString(16)}\r\n`);
      connection.write(chunk);
      more = connection.write('\r\n');
      connection.uncork();
    } else {
      more = connection.write(chunk);
    }
    if (more || this.#bodyEnded) return;
    this.#bodyBlocked = true;
    this.#request.pause();
  }

  #endBody(): void {
    if (this.#bodySent || this.#connection === null) return;
    this.#bodySent = true;
    if (this.#chunkedBody) this.#connection.write(`0\r\n${trailersOf(this.#request.rawTrailers)}\r\n`);
    if (this.#phase === WAITING)
      this.deadlineMs = this.#shared.soonMs + this.#shared.config.responseTimeoutMs;
  }

  onWritable(): void {
    if (!this.#bodyBlocked) return;
    this.#bodyBlocked = false;
    if (this.#phase === WAITING) this.deadlineMs = this.#shared.soonMs + this.#shared.config.idleTimeoutMs;
    this.#request.resume();
  }

  // ---- the answer: replica -> client

  onInformation(head: ResponseHead): void {
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.responseTimeoutMs;
    // A client of HTTP/1.0 does not know them (RFC 9110 section 15.2).
    if (this.#request.httpVersionMinor === 0 || this.#response.headersSent) return;
    if (head.status === 100) this.#response.writeContinue();
    else this.#response.writeInformation(head.status, pairsOf(this.#fieldsOf(head)));
  }

  onHead(head: ResponseHead): void {
    const { status } = head;
    this.#phase = ANSWERING;
    this.#status = status;
    if (this.#shared.config.accessLog) this.#firstByteMs = this.#now - this.#startedMs;
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.idleTimeoutMs;
    this.#slotCounters!.answered(status, this.#keyText, this.#keyStart, this.#keyEnd);
    if (status === 404 && this.#shared.config.compat === 'assignment') this.#replaced = true;
    else this.#headText = this.#downstreamHead(head);
  }

  #fieldsOf(head: ResponseHead): string {
    return head.hasClaims ? withoutClaims(head.fields, this.#shared.config.servedBy) : head.fields;
  }

  #downstreamHead(head: ResponseHead): string {
    const shared = this.#shared;
    const response = this.#response;
    const isHttp11 = this.#request.httpVersionMinor === 1;
    let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n${this.#fieldsOf(head)}`;
    if (shared.config.servedBy) text += `x-served-by: ${this.#upstream!.slot}\r\n`;
    if (!head.hasDate && head.status >= 200) text += `Date: ${shared.date}\r\n`;
    text += 'Via: 1.1 torc\r\n';
    if (head.status === 101) return `${text}Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
    // What it would have to ask for (RFC 9110 section 15.5.22).
    if (head.status === 426 && head.upgrade !== '')
      text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
    const unknownLength = head.framing !== NO_BODY && head.framing !== BY_LENGTH;
    this.#chunkedAnswer = unknownLength && isHttp11;
    if (this.#chunkedAnswer) text += 'Transfer-Encoding: chunked\r\n';
    // Those that wait behind this one were accepted too: the last of them says that it is over.
    const isLast = shared.draining && this.#client.waiting.length === 0;
    if (isLast || (unknownLength && !isHttp11) || this.#mayKeepBody) response.shouldKeepAlive = false;
    if (!response.shouldKeepAlive) text += 'Connection: close\r\n';
    else if (!isHttp11) text += 'Connection: keep-alive\r\n';
    return text;
  }

  /** The client waits to be told to send its body, and will not be: it may send it or not. */
  get #mayKeepBody(): boolean {
    return !this.#bodyEnded && withoutContinue(this.#response);
  }

  onText(body: string): void {
    this.#small = body;
    this.#answerBytes = body.length;
  }

  onBody(chunk: Buffer): void {
    if (this.#replaced) return;
    if (!this.#headPut) this.#putHead();
    this.#answerBytes += chunk.length;
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.idleTimeoutMs;
    const response = this.#response;
    const { socket } = this.#client;
    // Head and chunk in one write, and now: a response of its own would wait for the end of the turn.
    socket.cork();
    const more = response.write(chunk);
    socket.uncork();
    // All of it left already: nothing to wait for, and the chunk's memory is free for the next read.
    if (response.socket === socket && socket.writableLength === 0) return;
    this.#connection!.keepChunk();
    if (more) return;
    this.#paused = true;
    this.#connection!.pause();
    if (this.#listensToDrain) return;
    this.#listensToDrain = true;
    this.#response.on('drain', onResponseDrain);
  }

  /** Nothing more is there for now: a head without its body does not wait for it. */
  onPause(): void {
    if (this.#headText === '' || this.#headPut) return;
    this.#putHead();
    flushHead(this.#response);
  }

  drained(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.deadlineMs = this.#shared.soonMs + this.#shared.config.idleTimeoutMs;
    this.#connection?.resume();
  }

  onEnd(trailers: string): void {
    const connection = this.#connection!;
    if (this.#status === 101) return;
    // The answer came before the request ended: what is left of the request would be read as the next one.
    if (!this.#bodySent) connection.abort();
    this.#endAttempt();
    this.#slotCounters!.tookUs(Math.round((this.#now - this.#startedMs) * 1000));
    const response = this.#response;
    const { socket } = this.#client;
    if (this.#small !== '' && !this.#replaced && mayPutWhole(response, socket)) {
      const isLast = !response.shouldKeepAlive;
      this.#headPut = true;
      this.#client.closing ||= isLast;
      this.#finish();
      putWhole(response, socket, this.#status, `${this.#headText}\r\n${this.#small}`, isLast);
      return;
    }
    if (this.#replaced) {
      this.#answerBytes = replyUnknownEndpoint(response, this.path, false);
    } else {
      if (!this.#headPut) this.#putHead();
      if (trailers !== '' && this.#chunkedAnswer) response.addTrailers(trailerPairsOf(trailers));
      if (this.#small === '') response.end();
      else response.end(this.#small, 'latin1');
    }
    this.#finish();
  }

  #putHead(): void {
    this.#headPut = true;
    this.#client.closing ||= !this.#response.shouldKeepAlive;
    putHead(
      this.#response,
      this.#status,
      this.#headText,
      this.#chunkedAnswer,
      !this.#response.shouldKeepAlive,
    );
  }

  onUpgraded(socket: Socket, rest: Buffer): void {
    const client = this.#client.socket;
    const upstream = this.#upstream!;
    const counters = this.#slotCounters!;
    this.#response.detachSocket(client);
    client.write(`${this.#headText}\r\n`, 'latin1');
    this.#connection = null;
    this.#client.isTunnel = true;
    this.#finish();
    upstream.carry(socket);
    counters.tunnels++;
    const { bytesRead, bytesWritten } = socket;
    this.#shared.tunnels.open(client, socket, rest, () => {
      this.#shared.inFlight--;
      counters.inFlight--;
      counters.tunnels--;
      upstream.end();
      this.#bodyBytes = socket.bytesWritten - bytesWritten;
      this.#answerBytes = socket.bytesRead - bytesRead + rest.length;
      if (this.#shared.config.accessLog) this.#logAccess();
    });
  }

  // ---- ends

  /** Time is up. */
  expired(): void {
    switch (this.#phase) {
      case QUEUED:
        this.#giveUp('QUEUE_FULL', 'waited too long for a connection');
        return;
      case CONNECTING:
        // Nothing was sent, so another replica may still serve it.
        this.#connection!.abort();
        this.onFault('CONNECT_TIMEOUT', `${this.#shared.config.connectTimeoutMs} ms`, false, false);
        return;
      case WAITING:
        if (!this.#bodyEnded && !this.#bodyBlocked)
          this.#giveUp('REQUEST_BODY_TIMEOUT', 'the client stopped sending');
        else this.#giveUp('RESPONSE_TIMEOUT', 'no answer in time');
        return;
      default:
        this.#giveUp(
          'BODY_TIMEOUT',
          this.#paused ? 'the client stopped reading' : 'the replica stopped sending',
        );
    }
  }

  /** The client's bytes broke the framing of this request's own body. */
  broken(code: ProxyErrorCode): void {
    this.#giveUp(code, 'broken framing');
  }

  /** For what has to wait until this answer has left. */
  whenAnswered(callback: () => void): void {
    this.#response.once('finish', callback);
  }

  /** An interim answer, which any client has to be ready for; one of HTTP/1.0 is not, and is waited for without. */
  ping(): boolean {
    if (this.#phase === ANSWERING || !this.#request.complete) return false;
    if (this.#request.httpVersionMinor === 1) this.#response.writeContinue();
    return true;
  }

  clientGone(): void {
    if (this.#finished) return;
    this.#countError('CLIENT_GONE');
    this.#abandon();
    this.#finish();
  }

  #abandon(): void {
    this.cancelled = true;
    if (this.#upstream === null) return;
    this.#connection?.abort();
    this.#endAttempt();
  }

  #giveUp(code: ProxyErrorCode, detail: string): void {
    if (this.#finished) return;
    const upstream = this.#upstream;
    const blamed = code === 'RESPONSE_TIMEOUT' || (code === 'BODY_TIMEOUT' && !this.#paused);
    if (upstream !== null && blamed) {
      this.#slotCounters!.errors++;
      this.#suspect(upstream, code, detail);
    }
    this.#abandon();
    this.#fail(code, detail);
  }

  /** torc's own answer, or, where the client has part of another already, an end that cannot pass for a complete one. */
  #fail(code: ProxyErrorCode, detail: string): void {
    const shared = this.#shared;
    this.#countError(code);
    if (code !== 'BAD_REQUEST' && shared.faults.isDue(this.#slot, code, this.#now))
      shared.faults.note(this.#slot, code, detail, this.path, this.#idOf());
    if (this.#headPut) {
      this.#client.socket.destroy();
    } else {
      const isClients = code === 'BAD_REQUEST' || code === 'REQUEST_BODY_TIMEOUT';
      this.#replyError(code, isClients || shared.draining || this.#mayKeepBody);
    }
    this.#finish();
  }

  /** Refused before anything was tried. */
  #refuse(code: ProxyErrorCode, close: boolean): void {
    this.#countError(code);
    this.#replyError(code, close);
    this.#finish();
  }

  #replyError(code: ProxyErrorCode, close: boolean): void {
    this.#client.closing ||= close || !this.#response.shouldKeepAlive;
    this.#answerBytes = replyError(this.#response, code, close, this.#slot, this.#idOf());
  }

  #countError(code: ProxyErrorCode): void {
    this.#code = code;
    this.#shared.counters.error(code, this.#slot);
  }

  /** The slot that was tried last, or ''. */
  get #slot(): string {
    return this.#upstream?.slot ?? '';
  }

  #idOf(): string {
    if (this.#id === '') this.#id = this.#shared.ids.next();
    return this.#id;
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    const shared = this.#shared;
    this.#leave(shared.running);
    shared.counters.requests++;
    shared.retryBudget.deposit();
    if (this.#retries > 0) shared.retryBudget.end();
    this.#client.finished(this, shared.soonMs);
    this.#kept = null;
    // What the client still sends is read and dropped, so that its next request is found behind it, but no longer than
    // an idle connection would be kept.
    if (!this.#bodyEnded) {
      this.#client.inStep = false;
      this.#request.resume();
    }
    // A tunnel is told at its end, with what it carried.
    if (shared.config.accessLog && !this.#client.isTunnel) this.#logAccess();
  }

  /** The last one takes its place. */
  #leave(running: Exchange[]): void {
    const last = running.pop()!;
    if (last === this) return;
    running[this.#at] = last;
    last.#at = this.#at;
  }

  #logAccess(): void {
    const ms = this.#now - this.#startedMs;
    const code = this.#code;
    // An answer that torc had to break off had begun with the replica's status.
    const status = code === null || this.#headPut ? this.#status : proxyErrors[code].status;
    const fields = {
      id: this.#idOf(),
      method: this.method,
      target: this.#request.url,
      status: this.#replaced ? 400 : status,
      code: code ?? '',
      slot: this.#slot,
      attempts: this.#attempts,
      bytesIn: this.#bodyBytes,
      bytesOut: this.#answerBytes,
      firstByteMs: inMicroseconds(this.#firstByteMs === 0 ? ms : this.#firstByteMs),
      ms: inMicroseconds(ms),
      ip: this.#client.ip,
    };
    this.#shared.access(fields, 'request');
  }
}

const inMicroseconds = (ms: number): number => Math.round(ms * 1000) / 1000;

function onRequestData(this: ProxyRequest, chunk: Buffer): void {
  this.exchange!.requestData(chunk);
}
function onRequestEnd(this: ProxyRequest): void {
  this.exchange!.requestEnded();
}
function onResponseDrain(this: ProxyResponse): void {
  this.exchange!.drained();
}
function uncork(connection: Connection): void {
  connection.uncork();
}
