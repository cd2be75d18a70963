// Hot: runs per request; no closure, no promise.
// The first half of an exchange: the request on its way to a replica, as often as it takes. Which replica is asked, how
// far the attempt is, until when it may take, and what follows from its failure. The answer and all ends are in
// exchange.ts, which extends it: one request is one object, because each costs something.

import type { Config } from '../config/fields.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import type { SlotCounters } from '../routing/counters.ts';
import { NO_SLOT, pick } from '../routing/pick.ts';
import { isEmpty, type Snapshot } from '../routing/snapshot.ts';
import type { Attempt, Carrier } from '../upstream/attempt.ts';
import { type Framing, NO_BODY, type ResponseHead } from '../upstream/response-head.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Failures, isIdempotent, type Verdict } from './attempt.ts';
import type { Shared } from './shared.ts';
import type { Upload } from './upload.ts';

const NONE_TRIED: readonly number[] = [];

/** For a driver's word that a replica is being stopped: it travels beside the replica's own end, 15 to 130 ms (docs/healing.md). */
const DOUBT_MS = 250;

/** Waits for a replica to be ready: none is, or none that was asked took it. The sweep looks after it. */
export const HELD = -1;
export const QUEUED = 0;
export const CONNECTING = 1;
export const WAITING = 2;
export const ANSWERING = 3;

export abstract class Attempts implements Attempt {
  protected readonly shared: Shared;
  readonly method: string;
  /** The target as the replica gets it; `path` is undici's word for it. */
  path = '/';
  head = '';
  readonly isHead: boolean;
  /** The protocol to ask the replica for, or ''. */
  readonly upgrade: string;
  readonly #idempotent: boolean;
  /** The settings that it began with, to its end. */
  protected readonly config: Config;
  protected snapshot!: Snapshot;
  protected hash = 0;
  deadlineMs = 0;
  protected phase = QUEUED;
  protected upstream: Upstream | null = null;
  protected slotCounters: SlotCounters | null = null;
  protected connection: Carrier | null = null;
  protected attemptCount = 0;
  protected readonly startedMs: number;
  /** null while all is well. */
  protected failures: Failures | null = null;
  freshOnly = false;
  /** It has a body, or had to leave a connection that it shared: from now on it has its own. */
  protected isAlone = false;
  /** When waiting for a replica ends; 0 while it has not begun. */
  #heldUntilMs = 0;
  /** Whose end is in doubt while it waits for that. */
  #doubted: Upstream | null = null;
  cancelled = false;
  isFinished = false;
  /** null where the request has no body. */
  protected upload: Upload | null = null;

  constructor(shared: Shared, method: string, upgrade: string) {
    this.shared = shared;
    this.config = shared.config;
    this.method = method;
    this.isHead = method === 'HEAD';
    this.upgrade = upgrade;
    this.#idempotent = isIdempotent(method);
    this.startedMs = shared.clock.nowMs();
  }

  abstract onInformation(head: ResponseHead): void;
  abstract onHead(head: ResponseHead): void;
  abstract onText(body: string): void;
  abstract onBody(chunk: Buffer): void;
  abstract onPause(): void;
  abstract onEnd(trailers: string): void;
  abstract onUpgraded(...tunnel: Parameters<Attempt['onUpgraded']>): void;
  /** No further attempt: the exchange ends with what went wrong last. */
  protected abstract fail(code: ProxyErrorCode, detail: string): void;

  get framing(): Framing {
    return this.upload === null ? NO_BODY : this.upload.framing;
  }

  get wantsUpgrade(): boolean {
    return this.upgrade !== '';
  }

  get repeatable(): boolean {
    const upload = this.upload;
    return this.#idempotent && (upload === null || (upload.ended && upload.isKept));
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

  /** Sends the request to the next choice; without one the exchange fails with what went wrong last. */
  protected attempt(lastCode: ProxyErrorCode, lastDetail: string): void {
    const shared = this.shared;
    const snapshot = this.snapshot;
    const tried = this.failures === null ? NONE_TRIED : this.failures.tried;
    const slotId = pick(snapshot, this.hash, tried, this.config.balanceFactor, shared.inFlight);
    if (slotId === NO_SLOT) {
      this.#hold(lastCode, lastDetail);
      return;
    }
    const upstream = snapshot.upstreams[slotId]!;
    this.slotCounters = shared.counters.of(slotId, upstream.slot, upstream.replicaId);
    this.upstream = upstream;
    if (upstream.full) {
      this.fail('QUEUE_FULL', `${upstream.inFlight} requests`);
      return;
    }
    this.#dispatch(upstream);
  }

  /** Nobody can be asked now, and nothing is lost by asking later: `resume`d by the sweep, or failed if it may not wait. */
  #hold(code: ProxyErrorCode, detail: string): void {
    const { shared } = this;
    const { holdMs, maxQueue } = this.config;
    if (this.#heldUntilMs === 0) this.#heldUntilMs = shared.soonMs + (holdMs ?? 0);
    const mayWait = !shared.draining && shared.held < maxQueue && shared.soonMs < this.#heldUntilMs;
    // Where there is no slot there is nothing that becomes ready: it would wait for somebody to start the first one.
    if (!mayWait || isEmpty(this.snapshot)) {
      this.fail(code, detail);
      return;
    }
    this.failures?.rest(shared.retryBudget);
    this.#wait(0);
  }

  /** Nobody has it; the sweep `resume`s it. */
  #wait(untilMs: number): void {
    this.shared.held++;
    this.phase = HELD;
    this.upstream = null;
    this.deadlineMs = untilMs;
  }

  /** Tries again when somebody is ready, or when there is no more time. */
  protected resume(): void {
    const { shared } = this;
    const doubted = this.#doubted;
    if (doubted !== null) {
      this.#doubted = null;
      this.release();
      this.upstream = doubted;
      const { code, detail } = this.failures!.log.at(-1)!;
      this.#follow(this.failures!.another(this.config.retries, shared.retryBudget), doubted, code, detail);
      return;
    }
    this.#lookAgain();
    if (this.snapshot.usableCount === 0 && !shared.draining && shared.soonMs < this.#heldUntilMs) return;
    this.release();
    this.attempt('NO_REPLICA', 'no slot was ready in time');
  }

  /** By the routing of now; where a reload brought another ring, the key has another hash. */
  #lookAgain(): void {
    const { keyHash } = this.snapshot;
    this.snapshot = this.shared.snapshots.current;
    if (this.snapshot.keyHash !== keyHash) this.rehash();
  }

  protected abstract rehash(): void;

  /** It waits for no replica any more. */
  protected release(): void {
    if (this.phase !== HELD) return;
    this.phase = QUEUED;
    this.shared.held--;
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
    this.upstream!.end();
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
      idempotent: this.#idempotent,
      replayable: this.upload === null || this.upload.isKept,
      answered: this.phase === ANSWERING,
    };
    this.#follow(failures.next(failed, this.config.retries, shared.retryBudget), upstream, code, detail);
  }

  #follow(verdict: Verdict, upstream: Upstream, code: ProxyErrorCode, detail: string): void {
    const { shared } = this;
    switch (verdict) {
      case 'same':
        this.freshOnly = true;
        this.#dispatch(upstream);
        return;
      case 'doubt':
        if (shared.held >= this.config.maxQueue) {
          this.#follow('end', upstream, code, detail);
          return;
        }
        this.#doubted = upstream;
        this.#wait(shared.soonMs + DOUBT_MS);
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
        if (isSpent) this.#hold(code, detail);
        else this.fail(code, isDeadly ? `${detail}; ${deaths} replicas died of it` : detail);
      }
    }
  }

  #retry(failed: Upstream, code: ProxyErrorCode, detail: string): void {
    this.shared.counters.retries++;
    this.freshOnly = false;
    // What was true at the first attempt may be why it failed: its replica is perhaps out of routing by now.
    this.#lookAgain();
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
