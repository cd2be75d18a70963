// The one loop of the control plane. Signals arrive (events, hints, heartbeats, the driver's list) and wait in the inbox;
// a tick judges them, takes what is broken out of routing and publishes before anything else happens, then has the pure
// reconcile say what to start or promote. A tick is synchronous, from the signal to the publish, so a dead replica gets
// no request that comes after its event. Everything slow (starts, drains, stops) runs beside it and ends in another tick.
// While the engine is away, routing goes on and starts wait.

import type { Clock, Timer } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { SnapshotMessage, SuspectHint } from '../core/types.ts';
import { slotsFault } from '../ring/build.ts';
import type { DataPlane } from './data-plane.ts';
import type { Driver, DriverEvent, Replica } from './driver.ts';
import { Fleet } from './fleet.ts';
import { Inbox, type Signal } from './inbox.ts';
import type { JournalEntry, Listener, Notice } from './journal.ts';
import { type MembershipChange, type Outcome, planAdd, planRemove, refuse } from './membership.ts';
import { type DriverState, Observer } from './observe.ts';
import type { SupervisorOptions, SupervisorSettings } from './options.ts';
import { countComplaint, judgeHint } from './outlier.ts';
import { Publisher } from './publish.ts';
import { compare, nextDueMs, reconcile } from './reconcile.ts';
import { inWords, type RetireHow } from './replace.ts';
import { Rollout, type RolloutView, SEAT_TIMEOUT_MS } from './rollout.ts';
import { type Failure, isReady, type Slot } from './slots.ts';
import { type SlotView, slotView } from './view.ts';

export type { ControlEvent, JournalEntry } from './journal.ts';
export { isNotice } from './journal.ts';
export type { Outcome } from './membership.ts';
export type { DriverState } from './observe.ts';
export type { SupervisorOptions, SupervisorSettings } from './options.ts';
export type { RolloutView } from './rollout.ts';
export type { SlotView } from './view.ts';

/** `start` resolves after this with what there is. */
const START_WAIT_MS = 15_000;
/** /add: for the whole call, and more for each replica, because starts are bounded. */
const ADD_WAIT_MS = 30_000;
const ADD_WAIT_PER_REPLICA_MS = 2_000;
/** A joining slot that failed this often makes its /add fail. */
const ADD_FAILURES = 2;
/** /rm: beyond the drain, for the driver to stop them; then it goes on without the caller. */
const REMOVE_WAIT_MS = 30_000;
/** Timers hold 2^31 ms; nobody waits a day for a roll-out's answer. */
const LONGEST_WAIT_MS = 86_400_000;
/** Calls of add and remove under way. */
const MOST_CALLS = 16;
/** Rounds of one tick: a bound that is never met, because what a round does starts few more. */
const MOST_ROUNDS = 16;

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: (done: boolean) => void;
  readonly timer: Timer;
}

export class Supervisor {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #dataPlane: DataPlane;
  readonly #settings: SupervisorSettings;
  readonly #fleet: Fleet;
  readonly #observer: Observer;
  readonly #inbox = new Inbox();
  readonly #publisher: Publisher;
  readonly #waiters = new Set<Waiter>();
  #opening: Promise<void> = Promise.resolve();
  #isOpen = false;
  #isAdopted = false;
  #stopped: Promise<void> | null = null;
  #isTicking = false;
  #tickAgain = false;
  #wake: Timer | null = null;
  /** The one under way, or the last. */
  #rollout: Rollout | null = null;
  #callCount = 0;

  /** Throws StartError when the ring cannot hold so many replicas. */
  constructor(options: SupervisorOptions) {
    this.#driver = options.driver;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#dataPlane = options.dataPlane;
    this.#settings = options.settings;
    this.#fleet = new Fleet(options, {
      onSignal: signal => this.#signal(signal),
      onChange: () => this.#tick(),
      onStartFailed: (slot, failure, isNew) => this.#onStartFailed(slot, failure, isNew),
    });
    this.#observer = new Observer({
      driver: options.driver,
      clock: options.clock,
      log: options.log,
      believed: () => this.#fleet.slots.all().flatMap(slot => slot.member?.replica ?? []),
      onListed: (believed, listed, isReturn) => this.#onListed(believed, listed, isReturn),
      onDone: () => this.#tick(),
    });
    this.#publisher = new Publisher(options.settings.ring, options.settings.ringRows);
    this.#publisher.update(this.#fleet.slots.listed());
  }

  /** Resolves when all slots are ready, or after 15 s with what there is. Rejects only with what `open` rejects. */
  async start(): Promise<void> {
    if (this.#stopped) return;
    this.#opening = this.#driver.open(event => this.#onEvent(event));
    await this.#opening;
    if (this.#stopped) return;
    this.#isOpen = true;
    void this.#observer.observe();
    const isComplete = (): boolean => this.#isAdopted && this.#fleet.slots.listed().every(isReady);
    await this.#until(isComplete, START_WAIT_MS);
  }

  /** What `/rep` lists, in the order they were added. */
  names(): string[] {
    return this.#fleet.slots.listed().map(slot => slot.name);
  }

  slots(): SlotView[] {
    return this.#fleet.slots.listed().map(slot => slotView(slot, this.#clock.nowMs()));
  }

  spares(): SlotView[] {
    return this.#fleet.slots.spares().map(slot => slotView(slot, this.#clock.nowMs()));
  }

  /** Whether what makes the replicas answers. */
  driverState(): DriverState {
    return this.#observer.state;
  }

  /** Replicas that are draining, being stopped, or will be as soon as they have started. */
  leavingCount(): number {
    return this.#fleet.replacer.unwantedCount();
  }

  /** What workers route by now; a new worker starts with it. */
  snapshot(): SnapshotMessage {
    return this.#publisher.snapshot;
  }

  /** The last 256 state changes and notices, oldest first. */
  events(): readonly JournalEntry[] {
    return this.#fleet.journal.kept;
  }

  /** Calls back at every state change, after it is in routing. The result ends the subscription. */
  subscribe(listener: Listener): () => void {
    return this.#fleet.journal.subscribe(listener);
  }

  /** A worker's complaint about a replica. */
  hint({ slot: name, replicaId, cause, detail }: SuspectHint): void {
    const slot = this.#fleet.slots.byReplica(replicaId);
    const member = slot?.member;
    if (!slot || !member || slot.name !== name || member.state !== 'ready') return;
    const nowMs = this.#clock.nowMs();
    const complaints = countComplaint(member.complaints, nowMs);
    member.complaints = complaints;
    const listed = this.#fleet.slots.listed();
    const verdict = judgeHint(cause, complaints, {
      slotCount: listed.length,
      readyCount: listed.filter(isReady).length,
      ejectedCount: listed.filter(other => (other.member?.ejectedUntilMs ?? 0) > nowMs).length,
    });
    if (verdict === 'note') return;
    if (verdict === 'doubt') {
      this.#signal({ replicaId, kind: 'suspect', source: 'connection', cause: detail, atMs: nowMs });
      return;
    }
    member.complaints = null;
    this.#fleet.eject(member);
    const words = `${complaints.count} failures in a short time, the last: ${detail}`;
    this.#signal({ replicaId, kind: 'suspect', source: 'outlier', cause: words, atMs: nowMs });
  }

  // Operators' calls.

  /** Resolves after the new replicas answered their heartbeats; on a failure everything of this call is undone. */
  add(change: MembershipChange): Promise<Outcome> {
    return this.#bounded(async () => {
      const { slots } = this.#fleet;
      if (!this.#driver.creates)
        return refuse(409, 'the replicas are given by TORC_UPSTREAMS: none can be created');
      const taken = new Set(slots.serving().map(slot => slot.name));
      const plan = planAdd(change, taken, slotCount => slotsFault(this.#settings.ring, slotCount));
      if (!plan.ok) return plan;
      if (this.#observer.isAway)
        return refuse(503, `the ${this.#driver.name} driver does not answer: nothing can be started`);
      return this.#join(
        plan.names.map(name => slots.add(name, this.#fleet.change('added', 'operator'), true)),
      );
    });
  }

  async #join(slots: readonly Slot[]): Promise<Outcome> {
    const failed = (): Slot | undefined => slots.find(slot => slot.failureCount >= ADD_FAILURES);
    this.#tick();
    const waitMs = ADD_WAIT_MS + ADD_WAIT_PER_REPLICA_MS * slots.length;
    await this.#until(() => slots.every(isReady) || failed() !== undefined, waitMs);
    if (slots.every(isReady) && !this.#stopped) {
      for (const slot of slots) slot.joining = false;
      this.#tick();
      return { ok: true };
    }
    const culprit = failed() ?? slots.find(slot => !isReady(slot)) ?? slots[0]!;
    const why = this.#stopped ? 'torc is stopping' : culprit.change.cause;
    await this.#vacate(slots, 'gone', 'its /add failed');
    return refuse(503, `replica ${culprit.name} did not become ready: ${why}`);
  }

  /** Resolves after the drain. Replicas that are given (`static`) leave routing until the next start of torc. */
  remove(change: MembershipChange): Promise<Outcome> {
    return this.#bounded(async () => {
      const plan = planRemove(change, this.names());
      if (!plan.ok) return plan;
      const leaving = plan.names.map(name => this.#fleet.slots.get(name)!);
      await this.#vacate(leaving, 'drain', 'removed');
      return { ok: true };
    });
  }

  /**
   * Resolves when every slot runs a replica of the version (an image, a command), or when it stopped before. The caller's
   * going away ends nothing.
   */
  rollout(version: string): Promise<Outcome> {
    return this.#bounded(async () => {
      const refusal = this.#rolloutRefusal();
      if (refusal !== null) return refusal;
      try {
        await this.#driver.prepare?.(version);
      } catch (error) {
        return refuse(400, inWords(error));
      }
      // Another one may have begun meanwhile.
      const late = this.#rolloutRefusal();
      if (late !== null) return late;
      return this.#rollOut(new Rollout(version, this.#fleet, this.#clock));
    });
  }

  #rolloutRefusal(): Outcome | null {
    if (!this.#driver.creates)
      return refuse(409, 'the replicas are given by TORC_UPSTREAMS: none can be replaced');
    if (!this.#isAdopted) return refuse(503, 'torc is starting: try again later');
    if (this.#rollout?.state !== 'running') return null;
    return refuse(409, `a roll-out of ${this.#rollout.version.name} is under way: see GET /admin/rollout`);
  }

  async #rollOut(rollout: Rollout): Promise<Outcome> {
    this.#rollout = rollout;
    this.#tick();
    const perSlotMs = SEAT_TIMEOUT_MS + this.#settings.drainTimeoutMs + REMOVE_WAIT_MS;
    const waitMs = Math.min(perSlotMs * (this.#fleet.slots.serving().length + 1), LONGEST_WAIT_MS);
    await this.#until(() => rollout.state !== 'running', waitMs);
    if (rollout.state === 'succeeded') return { ok: true };
    if (this.#stopped) return refuse(503, 'torc is stopping');
    return refuse(503, rollout.why ?? 'the roll-out still goes on: see GET /admin/rollout');
  }

  /** Ends the roll-out under way: no further slot is replaced. */
  stopRollout(why: string): Outcome {
    if (this.#rollout?.state !== 'running') return refuse(409, 'no roll-out is under way');
    this.#rollout.stop(why);
    this.#tick();
    return { ok: true };
  }

  /** The one under way, or the last; null when there was none. */
  rolloutView(): RolloutView | null {
    return this.#rollout?.view() ?? null;
  }

  /** Tells listeners and log of something that is more than one slot's. */
  announce(topic: Notice['topic'], text: string): void {
    this.#fleet.journal.announce(topic, text);
    this.#tick();
  }

  /** Takes slots out of table and routing at once; resolves when nothing of them is left, or the bound is over. */
  async #vacate(slots: readonly Slot[], how: RetireHow, cause: string): Promise<void> {
    for (const slot of slots) {
      this.#fleet.slots.remove(slot);
      if (slot.member) this.#fleet.release(slot, slot.member, how, cause, 'operator');
    }
    this.#tick();
    const isVacant = (slot: Slot): boolean => slot.starting === null && !this.#fleet.replacer.holds(slot);
    await this.#until(() => slots.every(isVacant), this.#settings.drainTimeoutMs + REMOVE_WAIT_MS);
  }

  async #bounded(call: () => Promise<Outcome>): Promise<Outcome> {
    if (this.#stopped) return refuse(503, 'torc is stopping');
    if (this.#callCount >= MOST_CALLS) return refuse(503, 'too many changes are under way: try again later');
    this.#callCount++;
    try {
      return await call();
    } finally {
      this.#callCount--;
    }
  }

  /**
   * Ends everything under way, stops the replicas or leaves them, closes the driver. For any time and more than once.
   * Workers have ended before, so nobody routes by what is published then.
   */
  stop({ remove }: { remove: boolean }): Promise<void> {
    this.#stopped ??= this.#stop(remove);
    return this.#stopped;
  }

  async #stop(remove: boolean): Promise<void> {
    this.#wake?.cancel();
    this.#observer.close();
    this.#fleet.close();
    // `start` tells its caller why `open` failed; here it only matters that it is over.
    await this.#opening.catch(() => {});
    for (const waiter of [...this.#waiters]) this.#settleWaiter(waiter, false);
    await this.#fleet.replacer.settle();
    if (remove) this.#fleet.releaseAll();
    await this.#fleet.replacer.settle();
    try {
      await this.#driver.close({ remove });
    } catch (error) {
      this.#log.warn({ driver: this.#driver.name, error: inWords(error) }, 'the driver did not close well');
    }
  }

  // Signals in.

  #onEvent({ kind, replicaId = '', cause }: DriverEvent): void {
    const { replacer } = this.#fleet;
    if (kind === 'gone' && replacer.ended(replicaId)) {
      this.#tick();
      return;
    }
    if (this.#stopped || replacer.leaving.has(replicaId)) return;
    if (kind === 'resync' || kind === 'changed') {
      if (this.#isOpen) void this.#observer.observe();
      return;
    }
    const atMs = this.#clock.nowMs();
    this.#signal({ replicaId, kind: kind === 'unhealthy' ? 'suspect' : kind, source: 'event', cause, atMs });
  }

  #onListed(believed: readonly Replica[], listed: readonly Replica[], isReturn: boolean): void {
    const { slots, replacer } = this.#fleet;
    if (isReturn) forgetFailures(slots.all());
    if (!this.#isAdopted) {
      this.#isAdopted = true;
      this.#fleet.adopt(listed);
      return;
    }
    if (!this.#driver.creates) return;
    const before = new Set(believed.map(replica => replica.id));
    const starting = slots.all().flatMap(slot => slot.starting ?? []);
    const isOurs = (replica: Replica): boolean =>
      before.has(replica.id) ||
      replacer.leaving.has(replica.id) ||
      slots.byReplica(replica.id) !== undefined ||
      starting.some(spec => spec.slot === replica.slot && spec.generation === replica.generation);
    const { signals, strays } = compare(believed, listed, isOurs, this.#clock.nowMs());
    for (const signal of signals) if (slots.byReplica(signal.replicaId)) this.#inbox.add(signal);
    for (const replica of strays) this.#fleet.retireStray(replica, 'nobody knows it');
  }

  #onStartFailed(slot: Slot, failure: Failure, isNew: boolean): void {
    if (this.#stopped) return;
    this.#tick();
    // Is it this start, or is the engine away? The list knows.
    void this.#observer.observe().then(() => {
      if (!this.#observer.isAway) this.#fleet.tellFailing(slot, failure, isNew);
    });
  }

  #signal(signal: Signal): void {
    this.#inbox.add(signal);
    this.#tick();
  }

  // The tick.

  #tick(): void {
    if (this.#stopped) return;
    this.#tickAgain = true;
    if (this.#isTicking) return;
    this.#isTicking = true;
    for (let round = 0; this.#tickAgain && round < MOST_ROUNDS; round++) {
      this.#tickAgain = false;
      this.#round();
    }
    this.#isTicking = false;
    for (const waiter of [...this.#waiters]) if (waiter.isDone()) this.#settleWaiter(waiter, true);
    this.#armWake();
  }

  /** Judge, promote, publish; only then start anything. */
  #round(): void {
    const { slots, replacer } = this.#fleet;
    const known = new Set(slots.all().map(slot => slot.member?.replica.id));
    for (const dirty of this.#inbox.take(replicaId => known.has(replicaId))) this.#fleet.judge(dirty);
    this.#fleet.readmitDue();
    const filled: Slot[] = [];
    if (this.#mayJudgeRollout() && this.#rollout?.step(slot => filled.push(slot))) this.#tickAgain = true;
    const mayStart = this.#isAdopted && !this.#observer.isAway;
    const actions = this.#driver.creates
      ? reconcile(slots.all(), this.#clock.nowMs(), mayStart ? undefined : 0)
      : [];
    for (const { kind, slot, ...rest } of actions) {
      if (kind === 'discard') this.#fleet.discard(slot);
      if (!('spare' in rest)) continue;
      this.#fleet.promote(slot, rest.spare);
      filled.push(slot);
    }
    this.#publish();
    for (const { kind, slot } of actions) if (kind === 'start') replacer.start(slot);
    for (const slot of filled) if (slot.member) replacer.assign(slot, slot.member);
    // A promotion left a spare to refill, and so did what was discarded.
    if (actions.some(({ kind }) => kind !== 'start')) this.#tickAgain = true;
  }

  /** While a list is under way, a start may have failed only because the engine is away. */
  #mayJudgeRollout(): boolean {
    return this.#rollout?.state === 'running' && !this.#observer.isAway && !this.#observer.isListing;
  }

  #publish(): void {
    const { slots, replacer } = this.#fleet;
    if (this.#publisher.update(slots.listed(), replacer.leaving.values()))
      this.#dataPlane.publish(this.#publisher.snapshot);
    this.#fleet.journal.published();
  }

  #armWake(): void {
    const nowMs = this.#clock.nowMs();
    const rolloutMs = this.#mayJudgeRollout() ? this.#rollout!.dueMs : Number.POSITIVE_INFINITY;
    const dueMs = Math.min(this.#observer.dueMs, nextDueMs(this.#fleet.slots.all(), nowMs), rolloutMs);
    this.#wake?.cancel();
    this.#wake = null;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#wake = this.#clock.after(Math.max(0, dueMs - nowMs), () => {
      if (this.#clock.nowMs() >= this.#observer.dueMs) void this.#observer.observe();
      this.#tick();
    });
  }

  /** Resolves true once `isDone` holds after a tick; false when the time is over or torc stops. */
  #until(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isDone()) return Promise.resolve(true);
    if (this.#stopped) return Promise.resolve(false);
    return new Promise(resolve => {
      const timer = this.#clock.after(timeoutMs, () => this.#settleWaiter(waiter, false));
      const waiter: Waiter = { isDone, resolve, timer };
      this.#waiters.add(waiter);
    });
  }

  #settleWaiter(waiter: Waiter, done: boolean): void {
    this.#waiters.delete(waiter);
    waiter.timer.cancel();
    waiter.resolve(done);
  }
}

/** What failed for want of an engine has not failed. */
function forgetFailures(slots: readonly Slot[]): void {
  for (const slot of slots) {
    if (slot.member !== null) continue;
    slot.failureCount = 0;
    slot.retryAtMs = 0;
  }
}
