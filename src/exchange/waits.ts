// Hot: runs per request; no closure, no promise.
// Whom a request goes to, and everything that it may wait for before it goes to anybody: a replica to be ready (TORC_HOLD_MS),
// room in its key's own slot (TORC_BALANCE_WAIT_MS), word of why a replica ended that had it. What is common to the three: nobody
// has the request meanwhile, the number of those that wait is bounded, and the sweep `resume`s it when its time is over.
// attempts.ts extends it with what happens once somebody has it.

import type { Config } from '../config/fields.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import { WAITS } from '../routing/lending.ts';
import { NO_SLOT, pick } from '../routing/pick.ts';
import { isEmpty, type Snapshot } from '../routing/snapshot.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Failures, Verdict } from './attempt.ts';
import type { Waiter } from './own-slot.ts';
import type { Shared } from './shared.ts';

const NONE_TRIED: readonly number[] = [];

/** For a driver's word that a replica is being stopped: it travels beside the replica's own end, 15 to 130 ms (docs/healing.md). */
const DOUBT_MS = 250;

/** Nobody was asked yet: so much of its body as its key takes is still to come. */
export const READING = -2;
/** Nobody has it. */
export const HELD = -1;
export const QUEUED = 0;
export const CONNECTING = 1;
export const WAITING = 2;
export const ANSWERING = 3;

export abstract class Waits implements Waiter {
  protected readonly shared: Shared;
  /** The settings that it began with, to its end. */
  protected readonly config: Config;
  protected snapshot!: Snapshot;
  protected hash = 0;
  deadlineMs = 0;
  protected phase = QUEUED;
  protected upstream: Upstream | null = null;
  /** null while all is well. */
  protected failures: Failures | null = null;
  /** When waiting for a replica ends; 0 while it has not begun. */
  #heldUntilMs = 0;
  /** Whose end is in doubt while it waits for that. */
  #doubted: Upstream | null = null;
  /** The slot that it waits for. */
  #waitsFor = NO_SLOT;
  /** It waits for its own slot once. */
  #hasWaited = false;

  constructor(shared: Shared) {
    this.shared = shared;
    this.config = shared.config;
  }

  /** Somebody serves it now. */
  protected abstract serve(upstream: Upstream): void;
  /** What a failure leads to. */
  protected abstract follow(verdict: Verdict, upstream: Upstream, code: ProxyErrorCode, detail: string): void;
  /** No further attempt: the exchange ends with what went wrong last. */
  protected abstract fail(code: ProxyErrorCode, detail: string): void;
  /** The ring is another one, and so is the key's hash. */
  protected abstract rehash(): void;

  /** Sends the request to the next choice; without one the exchange fails with what went wrong last. */
  protected attempt(lastCode: ProxyErrorCode, lastDetail: string): void {
    const { shared, snapshot } = this;
    let slotId = this.#choose();
    if (shared.ownSlots.size > 0 && slotId >= 0 && !this.#hasWaited) {
      // There is room where others wait for some: they came before.
      shared.ownSlots.freed(slotId);
      slotId = this.#choose();
    }
    if (slotId === WAITS) {
      this.#waitsFor = pick(snapshot, this.hash, NONE_TRIED, 0, 0);
      shared.ownSlots.join(this.#waitsFor, this);
      shared.counters.ownSlotWaits++;
      this.#wait(shared.soonMs + this.config.balanceWaitMs);
    } else if (slotId === NO_SLOT) this.#hold(lastCode, lastDetail);
    else this.serve(snapshot.upstreams[slotId]!);
  }

  #choose(): number {
    const { shared, snapshot, hash, config } = this;
    const tried = this.failures === null ? NONE_TRIED : this.failures.tried;
    const { lending, inFlight } = shared;
    if (!lending.isOn) return pick(snapshot, hash, tried, config.balanceFactor, inFlight);
    const mayWait = this.failures === null && !this.#hasWaited && shared.held < config.maxQueue;
    return lending.choose(snapshot, hash, tried, inFlight, shared.soonMs, mayWait);
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

  /** After its failures were spent: somebody may be ready in time. */
  protected holdOut(code: ProxyErrorCode, detail: string): void {
    this.#hold(code, detail);
  }

  /** Waits a moment for word of why the replica ended; false where it may not. */
  protected doubts(upstream: Upstream): boolean {
    const { shared } = this;
    if (shared.held >= this.config.maxQueue) return false;
    this.#doubted = upstream;
    this.#wait(shared.soonMs + DOUBT_MS);
    return true;
  }

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
      this.follow(this.failures!.another(this.config.retries, shared.retryBudget), doubted, code, detail);
      return;
    }
    this.lookAgain();
    if (this.#waitsFor !== NO_SLOT) {
      this.#go();
      return;
    }
    if (this.snapshot.usableCount === 0 && !shared.draining && shared.soonMs < this.#heldUntilMs) return;
    this.release();
    this.attempt('NO_REPLICA', 'no slot was ready in time');
  }

  goes(): boolean {
    this.lookAgain();
    const isStill =
      this.#choose() === WAITS && pick(this.snapshot, this.hash, NONE_TRIED, 0, 0) === this.#waitsFor;
    if (!isStill) this.#go();
    return !isStill;
  }

  /** To its own slot, or wherever there is room by now. */
  #go(): void {
    this.#hasWaited = true;
    this.release();
    this.attempt('NO_REPLICA', 'no slot is ready');
  }

  /** By the routing of now; where a reload brought another ring, the key has another hash. */
  protected lookAgain(): void {
    const { keyHash } = this.snapshot;
    this.snapshot = this.shared.snapshots.current;
    if (this.snapshot.keyHash !== keyHash) this.rehash();
  }

  /** It waits no more. */
  protected release(): void {
    if (this.phase !== HELD) return;
    this.phase = QUEUED;
    this.shared.held--;
    if (this.#waitsFor === NO_SLOT) return;
    this.shared.ownSlots.leave(this.#waitsFor, this);
    this.#waitsFor = NO_SLOT;
  }
}
