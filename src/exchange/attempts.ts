// Hot: runs per request; no closure, no promise.
// The first half of an exchange: the request on its way to a replica, as often as it takes. How far the attempt is, until when
// it may take, and what follows from its failure; which replica is asked, and waiting for one, is waits.ts. The answer and all
// ends are in exchange.ts, which extends it: one request is one object, because each costs something.

import type { ProxyErrorCode } from '../core/errors.ts';
import type { SlotCounters } from '../routing/counters.ts';
import type { Attempt, Carrier } from '../upstream/attempt.ts';
import { type Framing, NO_BODY, type ResponseHead } from '../upstream/response-head.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Failures, isRepeatable, type Verdict } from './attempt.ts';
import type { Shared } from './shared.ts';
import type { Upload } from './upload.ts';
import { ANSWERING, CONNECTING, QUEUED, WAITING, Waits } from './waits.ts';

export abstract class Attempts extends Waits implements Attempt {
  readonly method: string;
  /** The target as the replica gets it; `path` is undici's word for it. */
  path = '/';
  head = '';
  readonly isHead: boolean;
  /** The protocol to ask the replica for, or ''. */
  readonly upgrade: string;
  protected slotCounters: SlotCounters | null = null;
  protected connection: Carrier | null = null;
  protected attemptCount = 0;
  protected readonly startedMs: number;
  freshOnly = false;
  /** It has a body, or had to leave a connection that it shared: from now on it has its own. */
  protected isAlone = false;
  cancelled = false;
  isFinished = false;
  /** null where the request has no body. */
  protected upload: Upload | null = null;

  constructor(shared: Shared, method: string, upgrade: string) {
    super(shared);
    this.method = method;
    this.isHead = method === 'HEAD';
    this.upgrade = upgrade;
    this.startedMs = shared.clock.nowMs();
  }

  abstract onInformation(head: ResponseHead): void;
  abstract onHead(head: ResponseHead): void;
  abstract onText(body: string): void;
  abstract onBody(chunk: Buffer): void;
  abstract onPause(): void;
  abstract onEnd(trailers: string): void;
  abstract onUpgraded(...tunnel: Parameters<Attempt['onUpgraded']>): void;

  get framing(): Framing {
    return this.upload === null ? NO_BODY : this.upload.framing;
  }

  get wantsUpgrade(): boolean {
    return this.upgrade !== '';
  }

  get repeatable(): boolean {
    const upload = this.upload;
    return (upload === null || (upload.ended && upload.isKept)) && this.#mayRepeat;
  }

  get #mayRepeat(): boolean {
    return isRepeatable(this.method, this.head, this.config.retryMethods);
  }

  get mayPipeline(): boolean {
    const isReading = this.method === 'GET' || this.isHead;
    return (
      isReading && this.upload === null && this.upgrade === '' && this.failures === null && !this.isAlone
    );
  }

  /** Bytes of the request's body are on their way to a replica, or may be. */
  get isUploading(): boolean {
    return this.upload !== null && !this.upload.ended;
  }

  protected get now(): number {
    return this.shared.clock.nowMs();
  }

  /** The slot that was tried last, or ''. */
  protected get slot(): string {
    return this.upstream?.slot ?? '';
  }

  protected override serve(upstream: Upstream): void {
    this.slotCounters = this.shared.counters.of(upstream.slotId, upstream.slot, upstream.replicaId);
    this.upstream = upstream;
    if (upstream.full) this.fail('QUEUE_FULL', `${upstream.inFlight} requests`);
    else this.#dispatch(upstream);
  }

  #dispatch(upstream: Upstream): void {
    this.phase = QUEUED;
    this.attemptCount++;
    if (this.upload !== null) this.upload.blocked = false;
    this.dueIn(this.config.responseTimeoutMs);
    this.shared.inFlight++;
    this.slotCounters!.inFlight++;
    this.slotCounters!.queued++;
    upstream.dispatch(this);
  }

  /** The attempt is over, however it went; its tunnel, if it became one, has its own end. */
  protected endAttempt(): void {
    this.connection = null;
    this.shared.inFlight--;
    this.slotCounters!.inFlight--;
    if (this.phase === QUEUED) this.slotCounters!.queued--;
    const upstream = this.upstream!;
    upstream.end();
    if (this.shared.ownSlots.size > 0) this.shared.ownSlots.freed(upstream.slotId);
  }

  onMoved(): void {
    if (this.isFinished) return;
    const upstream = this.upstream!;
    this.endAttempt();
    this.isAlone = true;
    this.attemptCount--;
    this.#dispatch(upstream);
  }

  onConnection(connection: Carrier): void {
    this.connection = connection;
    if (this.phase === QUEUED) this.slotCounters!.queued--;
    this.phase = CONNECTING;
    this.dueIn(this.config.connectTimeoutMs);
  }

  onSent(): void {
    this.phase = WAITING;
    this.dueIn(this.config.responseTimeoutMs);
    const upload = this.upload;
    if (upload === null) return;
    if (upload.bytes > 0) this.dueIn(this.config.idleTimeoutMs);
    upload.begin(this.connection!);
    if (upload.sent) this.dueIn(this.config.responseTimeoutMs);
  }

  /** undici's pool says so when it is closed already: nothing was sent. */
  onResponseError(_controller: unknown, error: Error): void {
    this.onFault('REFUSED', error.message, false, false);
  }

  onFault(code: ProxyErrorCode, detail: string, sent: boolean, stale: boolean): void {
    if (this.isFinished) return;
    const shared = this.shared;
    const upstream = this.upstream!;
    this.endAttempt();
    if (!stale) this.blame(upstream, code, detail);
    const failures = this.note(code, detail);
    const failed = {
      code,
      replica: upstream,
      sent,
      stale,
      idempotent: this.#mayRepeat,
      replayable: this.upload === null || this.upload.isKept,
      answered: this.phase === ANSWERING,
    };
    this.follow(failures.next(failed, this.config.retries, shared.retryBudget), upstream, code, detail);
  }

  protected override follow(
    verdict: Verdict,
    upstream: Upstream,
    code: ProxyErrorCode,
    detail: string,
  ): void {
    const { shared } = this;
    switch (verdict) {
      case 'same':
        this.freshOnly = true;
        this.#dispatch(upstream);
        return;
      case 'doubt':
        if (!this.doubts(upstream)) this.follow('end', upstream, code, detail);
        return;
      case 'other':
        this.#retry(upstream, code, detail);
        return;
      case 'no budget':
        shared.counters.budgetRefusals++;
        this.fail(code, `${detail}; the retry budget is used up`);
        return;
      default: {
        const { isDeadly, deaths, isSpent } = this.failures!;
        if (isSpent) this.holdOut(code, detail);
        else this.fail(code, isDeadly ? `${detail}; ${deaths} replicas died of it` : detail);
      }
    }
  }

  #retry(failed: Upstream, code: ProxyErrorCode, detail: string): void {
    this.shared.counters.retries++;
    this.freshOnly = false;
    // What was true at the first attempt may be why it failed: its replica is perhaps out of routing by now.
    this.lookAgain();
    // A slot that has another replica by now was not tried: a warm spare is there some milliseconds after a death.
    if (this.snapshot.upstreams[failed.slotId] === failed) this.failures!.tried.push(failed.slotId);
    this.attempt(code, detail);
  }

  /** What this attempt ended with. */
  protected note(code: ProxyErrorCode, detail: string): Failures {
    this.failures ??= new Failures();
    this.failures.log.push({
      slot: this.slot,
      code,
      detail,
      afterMs: Math.round(this.now - this.startedMs),
    });
    return this.failures;
  }

  protected blame(upstream: Upstream, code: ProxyErrorCode, detail: string): void {
    this.slotCounters!.errors++;
    const hint = upstream.suspect(code, detail, this.now);
    if (hint !== null) this.shared.suspect(hint);
  }

  protected dueIn(ms: number): void {
    this.deadlineMs = this.shared.soonMs + ms;
  }

  // ---- the request's body: client -> replica

  requestData(chunk: Buffer): void {
    const upload = this.upload;
    if (upload === null || this.isFinished || (this.phase === ANSWERING && upload.sent)) return;
    const isSending = this.phase >= WAITING;
    // Also behind the head of an answer: calls of gRPC send and receive at once.
    if (isSending) this.dueIn(this.config.idleTimeoutMs);
    upload.data(chunk, isSending ? this.connection : null);
  }

  requestEnded(): void {
    const upload = this.upload;
    if (upload === null) return;
    upload.ended = true;
    if (this.isFinished || this.phase < WAITING || this.connection === null) return;
    upload.end(this.connection);
    if (this.phase === WAITING) this.dueIn(this.config.responseTimeoutMs);
  }

  onWritable(): void {
    if (this.upload?.unblock() === true && this.phase === WAITING) this.dueIn(this.config.idleTimeoutMs);
  }

  /** Gives the attempt up, if there is one, without a word to it. */
  protected abandon(): void {
    this.cancelled = true;
    if (this.upstream === null) return;
    this.connection?.abort(this);
    this.endAttempt();
  }
}
