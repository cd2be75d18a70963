// Hot: runs per request; no closure, no promise; one write per small response.
// One exchange: a client's request, the attempts made for it, and the one answer, whatever door it came through. It is an
// object with methods instead of a chain of callbacks, because a proxy is a machine with two ends that may each stop,
// fail or hurry at any moment, and here every such moment is one method. Which replica is asked, and how often, is its first
// half (waits.ts, attempts.ts), by which key, the step before it (keyed.ts); the request's body is upload.ts, the answer's bytes
// answer.ts; here is how it begins and ends.
//
//   start -> pick -> Upstream.dispatch -> onConnection -> onSent (head, body) -> onHead -> onBody* -> onEnd -> finish
//              ^                                              |
//              +------------- onFault: may we try again? -----+--> reply with core/errors
//
// The client's side is a Downstream, which the door hands in. The deadline is one number, looked at by the sweep over all
// exchanges: a timer per phase of each request would cost more.

import type { Socket } from 'node:net';
import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import { ownerOf } from '../routing/snapshot.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import { Answer } from './answer.ts';
import type { Downstream } from './downstream.ts';
import { grpcHead, grpcTrailers, isGrpc } from './grpc.ts';
import type { RequestHead } from './headers.ts';
import { Keyed } from './keyed.ts';
import {
  errorBody,
  lastHopBody,
  lastHopHead,
  redirectHead,
  replyHead,
  unknownEndpointBody,
} from './reply.ts';
import { leave, type Shared, type Swept } from './shared.ts';
import { Upload } from './upload.ts';
import { ANSWERING, CONNECTING, HELD, QUEUED, READING, WAITING } from './waits.ts';

/** Response timeouts that interim answers may keep a request waiting for. */
const MOST_WAITS = 20;

export class Exchange extends Keyed implements Swept {
  runningIndex: number;
  /** As the client sent it. */
  #target = '';
  readonly #answer: Answer;
  /** The assignment's answer goes out instead of the replica's. */
  #replaced = false;
  #isTunnel = false;
  /** The field with its name, for the replica and for the client; '' where there is none. */
  #idLine = '';
  #id = '';
  /** How torc ended it itself. */
  #code: ProxyErrorCode | null = null;
  #firstByteMs = 0;
  /** When the wait for a final answer ends whatever interim ones come; 0 before the first. */
  #interimUntilMs = 0;
  /** Of a body that went with the head. */
  #bytesIn = 0;

  constructor(shared: Shared, downstream: Downstream, method: string, upgrade: string) {
    super(shared, downstream, method, upgrade);
    this.#answer = new Answer(downstream);
    this.runningIndex = shared.running.push(this) - 1;
  }

  /**
   * `head` is the request's, read by headers.ts, and is used within this call alone; `fault` is why it is refused, or ''.
   * `target` and `rawHeaders` are as the client sent them; `address` is who asks, for keys that are read from it.
   */
  start(
    head: RequestHead,
    fault: string,
    target: string,
    rawHeaders: readonly string[],
    address: string,
  ): void {
    this.#name(head, target);
    if (fault !== '') {
      this.#refuse('BAD_REQUEST', true);
      return;
    }
    const hasBody = head.chunked || head.contentLength > head.body.length;
    if (this.method === 'TRACE' && !this.config.trace) {
      this.#refuse('TRACE_REFUSED', hasBody);
      return;
    }
    // HTTP/2 has no 101 (RFC 9113 section 8.6).
    if (this.wantsUpgrade && this.config.replicaProtocol === 'h2c') {
      this.#refuse('UPGRADE_REFUSED', hasBody);
      return;
    }
    this.path = head.target;
    this.head = `${head.text}${this.#idLine}\r\n${head.body}`;
    this.#bytesIn = head.body.length;
    this.isAlone = head.body !== '';
    if (head.maxForwards === 0) {
      const body = lastHopBody(this.method, head.target, rawHeaders);
      this.#reply(200, lastHopHead(this.method, body), body);
      return;
    }
    if (hasBody) this.upload = new Upload(this.downstream, head.chunked, this.shared.ids);
    this.route(head, rawHeaders, address);
  }

  /** Instead of `start`: the client shall ask for the same by https, on that port. */
  redirect(head: RequestHead, target: string, port: number): void {
    this.#name(head, target);
    // A body is not waited for.
    if (head.chunked || head.contentLength > 0) this.downstream.keepAlive = false;
    this.#reply(308, redirectHead(head.host, port, head.target), '');
  }

  #name(head: RequestHead, target: string): void {
    this.#target = target;
    const { ids } = this.shared;
    if (ids.hasField) this.#idLine = head.requestId === '' ? ids.nextLine() : ids.lineOf(head.requestId);
  }

  // ---- the answer: replica -> client

  onInformation(head: ResponseHead): void {
    const { config } = this;
    const { soonMs } = this.shared;
    // Each is a sign of life, but there has to be an end.
    this.#interimUntilMs ||= soonMs + config.responseTimeoutMs * MOST_WAITS;
    this.deadlineMs = Math.min(soonMs + config.responseTimeoutMs, this.#interimUntilMs);
    this.#answer.interim(head, config, this.shared.ids);
  }

  onHead(head: ResponseHead): void {
    const shared = this.shared;
    this.phase = ANSWERING;
    if (this.config.accessLog) this.#firstByteMs = this.now - this.startedMs;
    this.dueIn(this.config.idleTimeoutMs);
    this.slotCounters!.answered(head.status, this.keyText, this.keyStart, this.keyEnd);
    if (head.status === 404 && this.config.compat === 'assignment') {
      this.#replaced = true;
      return;
    }
    // Those that wait behind this one were accepted too: the last of them says that it is over.
    const isLast = (shared.farewells > 0 && this.#saysFarewell()) || this.#mayKeepBody;
    const own = this.#idLine + this.cookieLines(head.fields);
    this.#answer.begin(head, this.config, shared, this.upstream!.slot, own, isLast);
  }

  #saysFarewell(): boolean {
    if (this.downstream.hasWaiting || !this.downstream.keepAlive) return false;
    this.shared.farewells--;
    return true;
  }

  /** The client waits to be told to send its body, and will not be: it may send it or not. */
  get #mayKeepBody(): boolean {
    return this.isUploading && this.downstream.waitsForContinue;
  }

  onText(body: string): void {
    this.#answer.text(body);
  }

  onBody(chunk: Buffer): void {
    if (this.#replaced) return;
    this.dueIn(this.config.idleTimeoutMs);
    if (this.#answer.body(chunk)) return;
    this.#answer.isPaused = true;
    this.connection!.pause();
  }

  onPause(): void {
    this.#answer.flush();
  }

  /** The client has taken what it was given. */
  drained(): void {
    if (!this.#answer.isPaused) return;
    this.#answer.isPaused = false;
    this.dueIn(this.config.idleTimeoutMs);
    this.connection?.resume();
  }

  onEnd(trailers: string): void {
    if (this.#answer.status === 101) return;
    // The answer came before the request ended: what is left of the request would be read as the next one.
    if (this.upload !== null && !this.upload.sent) this.connection!.abort(this);
    this.endAttempt();
    const nowMs = this.now;
    const ms = nowMs - this.startedMs;
    this.slotCounters!.tookUs(Math.round(ms * 1000));
    this.upstream!.took(ms, nowMs);
    if (this.#replaced) {
      const body = unknownEndpointBody(this.path);
      this.#reply(400, replyHead(400, body, 0), body);
      return;
    }
    this.#finish();
    this.#answer.end(trailers === '' ? '' : this.shared.ids.without(trailers));
  }

  onUpgraded(socket: Socket, rest: Buffer): void {
    const upstream = this.upstream!;
    const counters = this.slotCounters!;
    const answer = this.#answer;
    this.#isTunnel = true;
    this.connection = null;
    const client = answer.becomeTunnel();
    this.#finish();
    upstream.carry(socket);
    counters.tunnels++;
    const { bytesRead, bytesWritten } = socket;
    this.shared.tunnels.open(client, socket, rest, this.config.tunnelTimeoutMs, () => {
      this.shared.inFlight--;
      counters.inFlight--;
      counters.tunnels--;
      upstream.end();
      this.shared.ownSlots.freed(upstream.slotId);
      answer.bytes = socket.bytesRead - bytesRead + rest.length;
      if (this.config.accessLog) this.#logAccess(socket.bytesWritten - bytesWritten);
    });
  }

  // ---- ends

  /** Time is up. */
  expired(): void {
    switch (this.phase) {
      case HELD:
        this.resume();
        return;
      case READING:
        this.#giveUp('REQUEST_BODY_TIMEOUT', 'the client stopped sending, and its key is in the body');
        return;
      case QUEUED:
        this.#giveUp('QUEUE_FULL', 'waited too long for a connection');
        return;
      case CONNECTING:
        // Nothing was sent, so another replica may still serve it.
        this.connection!.abort(this);
        this.onFault('CONNECT_TIMEOUT', `${this.config.connectTimeoutMs} ms`, false, false);
        return;
      case WAITING:
        if (this.isUploading && !this.upload!.blocked)
          this.#giveUp('REQUEST_BODY_TIMEOUT', 'the client stopped sending');
        else this.#giveUp('RESPONSE_TIMEOUT', 'no answer in time');
        return;
      default:
        this.#giveUp(
          'BODY_TIMEOUT',
          this.#answer.isPaused ? 'the client stopped reading' : 'the replica stopped sending',
        );
    }
  }

  /** The client's bytes broke the framing of this request's own body. */
  broken(code: ProxyErrorCode): void {
    this.#giveUp(code, 'broken framing');
  }

  /** An interim answer, which any client has to be ready for; one of HTTP/1.0 is not, and is waited for without. */
  ping(): boolean {
    if (this.phase === ANSWERING || !this.downstream.isComplete) return false;
    if (this.downstream.isHttp11) this.downstream.putContinue();
    return true;
  }

  clientGone(): void {
    if (this.isFinished) return;
    this.#countError('CLIENT_GONE');
    if (!this.#answer.isPut) this.#answer.status = proxyErrors.CLIENT_GONE.status;
    this.abandon();
    this.#finish();
  }

  #giveUp(code: ProxyErrorCode, detail: string): void {
    if (this.isFinished) return;
    const isReplicas = code === 'RESPONSE_TIMEOUT' || (code === 'BODY_TIMEOUT' && !this.#answer.isPaused);
    if (this.upstream !== null && isReplicas) this.blame(this.upstream, code, detail);
    this.abandon();
    if (this.attemptCount > 0) this.note(code, detail);
    this.fail(code, detail);
  }

  /** torc's own answer, or, where the client has part of another already, an end that cannot pass for a complete one. */
  protected fail(code: ProxyErrorCode, detail: string): void {
    const shared = this.shared;
    this.#countError(code);
    if (code !== 'BAD_REQUEST' && shared.faults.isDue(this.slot, code, this.now))
      shared.faults.note({
        slot: this.slot,
        code,
        detail,
        method: this.method,
        path: this.path,
        id: this.#idOf(),
        keySlot: this.keyEnd === -1 ? '' : ownerOf(this.snapshot, this.hash),
        tried: this.failures?.log ?? [],
        ms: Math.round(this.now - this.startedMs),
      });
    if (this.#answer.isPut) {
      this.#finish();
      this.downstream.cut(isGrpc(this.head) ? grpcTrailers(code) : '');
      return;
    }
    const isClients = code === 'BAD_REQUEST' || code === 'REQUEST_BODY_TIMEOUT';
    this.#replyError(code, isClients || shared.draining || this.#mayKeepBody);
  }

  /** Refused before anything was tried. */
  #refuse(code: ProxyErrorCode, close: boolean): void {
    this.#countError(code);
    this.#replyError(code, close);
  }

  #replyError(code: ProxyErrorCode, close: boolean): void {
    const { status, retryAfterS } = proxyErrors[code];
    if (close) this.downstream.keepAlive = false;
    if (isGrpc(this.head)) {
      this.#reply(200, grpcHead(code), '');
      return;
    }
    const body = errorBody(code, this.slot, this.#idOf());
    this.#reply(status, replyHead(status, body, retryAfterS), body);
  }

  /** Ends it with an answer of torc's own. */
  #reply(status: number, head: string, body: string): void {
    this.#answer.own(status, head, this.#idLine, body, this.isHead);
    this.#finish();
    this.#answer.end('');
  }

  #countError(code: ProxyErrorCode): void {
    this.#code = code;
    this.shared.counters.error(code, this.slot);
  }

  #idOf(): string {
    const { ids } = this.shared;
    if (this.#id === '') this.#id = this.#idLine === '' ? ids.next() : ids.idIn(this.#idLine);
    return this.#id;
  }

  #finish(): void {
    if (this.isFinished) return;
    this.isFinished = true;
    const shared = this.shared;
    this.release();
    leave(shared.running, this);
    shared.counters.requests++;
    shared.retryBudget.deposit();
    this.failures?.over(shared.retryBudget);
    this.downstream.finished();
    this.upload?.forget();
    // A tunnel is told at its end, with what it carried.
    if (this.config.accessLog && !this.#isTunnel) this.#logAccess(this.upload?.bytes ?? this.#bytesIn);
  }

  #logAccess(bytesIn: number): void {
    const ms = this.now - this.startedMs;
    const fields = {
      id: this.#idOf(),
      method: this.method,
      target: this.#target,
      status: this.#answer.status,
      code: this.#code ?? '',
      slot: this.slot,
      attempts: this.attemptCount,
      bytesIn,
      bytesOut: this.#answer.bytes,
      firstByteMs: inMicroseconds(this.#firstByteMs === 0 ? ms : this.#firstByteMs),
      ms: inMicroseconds(ms),
      ip: this.downstream.ip,
      ...(this.failures === null ? {} : { tried: this.failures.log }),
    };
    this.shared.access(fields, 'request');
  }
}

const inMicroseconds = (ms: number): number => Math.round(ms * 1000) / 1000;
