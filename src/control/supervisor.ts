// The one loop of the control plane. Signals arrive (events, hints, heartbeats, the driver's list) and wait in the inbox;
// a tick judges them, takes what is broken out of routing and publishes before anything else happens, then has the pure
// reconcile say what to start or promote. A tick is synchronous, from the signal to the publish, so a dead replica gets
// no request that comes after its event. Everything slow (starts, drains, stops) runs beside it and ends in another tick.
// While the engine is away, routing goes on and starts wait.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { SnapshotMessage, SuspectHint } from '../core/types.ts';
import { Complaints } from './complaints.ts';
import type { DataPlane } from './data-plane.ts';
import type { Driver, DriverEvent, Replica } from './driver.ts';
import { Fleet } from './fleet.ts';
import { Follower } from './given.ts';
import { Inbox, type Signal } from './inbox.ts';
import type { JournalEntry, Listener, Notice } from './journal.ts';
import type { MembershipChange, Outcome, Refusal } from './membership.ts';
import { type DriverState, Observer } from './observe.ts';
import { Operations } from './operations.ts';
import type { SupervisorOptions, SupervisorSettings } from './options.ts';
import { Publisher } from './publish.ts';
import { compare, nextDueMs, reconcile } from './reconcile.ts';
import { inWords } from './replace.ts';
import type { RolloutView } from './rollout.ts';
import { settingsFaults } from './settings-faults.ts';
import { type Failure, forgetFailures, isReady, type Slot } from './slots.ts';
import { type SlotView, slotView } from './view.ts';
import { Waiters } from './waiters.ts';
import { Wake } from './wake.ts';

export type { ControlEvent, JournalEntry } from './journal.ts';
export { isNotice } from './journal.ts';
export type { Outcome } from './membership.ts';
export type { DriverState } from './observe.ts';
export type { SupervisorOptions, SupervisorSettings } from './options.ts';
export type { RolloutView } from './rollout.ts';
export type { SlotView } from './view.ts';

/** `start` resolves after this with what there is. */
const START_WAIT_MS = 15_000;
/** Rounds of one tick: a bound that is never met, because what a round does starts few more. */
const MOST_ROUNDS = 16;

export class Supervisor {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #dataPlane: DataPlane;
  readonly #fleet: Fleet;
  readonly #observer: Observer;
  /** Where replicas are given. */
  readonly #follower: Follower | null;
  readonly #inbox = new Inbox();
  readonly #publisher: Publisher;
  readonly #waiters: Waiters;
  readonly #operations: Operations;
  readonly #complaints: Complaints;
  readonly #settings: () => SupervisorSettings;
  #opening: Promise<void> = Promise.resolve();
  #isOpen = false;
  #isAdopted = false;
  #stopped: Promise<void> | null = null;
  #isTicking = false;
  #tickAgain = false;
  readonly #wake: Wake;

  /** Throws StartError when the ring cannot hold so many replicas. */
  constructor(options: SupervisorOptions) {
    this.#driver = options.driver;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#dataPlane = options.dataPlane;
    this.#wake = new Wake(options.clock, () => this.#onWake());
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
      onListed: (...list) => this.#asOne(() => this.#onListed(...list)),
      onDone: () => this.#tick(),
    });
    const onChange = (): void => this.#tick();
    this.#follower = options.driver.creates
      ? null
      : new Follower({ ...options, fleet: this.#fleet, onChange });
    this.#waiters = new Waiters(options.clock);
    this.#operations = new Operations({
      driver: options.driver,
      fleet: this.#fleet,
      clock: options.clock,
      settings: options.settings,
      waiters: this.#waiters,
      weightStore: options.weightStore,
      awayWhy: () => this.#observer.state.cause,
      isAdopted: () => this.#isAdopted,
      isStopped: () => this.#stopped !== null,
      tick: () => this.#tick(),
    });
    this.#complaints = new Complaints({
      fleet: this.#fleet,
      dataPlane: options.dataPlane,
      clock: options.clock,
      onSignal: signal => this.#signal(signal),
    });
    this.#settings = options.settings;
    const { ring, ringRows } = options.settings();
    this.#publisher = new Publisher(ring, ringRows);
    this.#publisher.update(this.#fleet.slots.listed());
  }

  /** Resolves when all slots are ready, or after 15 s with what there is. Rejects only with what `open` rejects. */
  async start(): Promise<void> {
    if (this.#stopped) return;
    this.#opening = this.#driver.open(event => this.#onEvent(event));
    await this.#opening;
    await this.#fleet.canaries.prepare(this.#fleet.slots, this.#driver, this.#log);
    if (this.#stopped) return;
    this.#isOpen = true;
    void this.#observer.observe();
    const isComplete = (): boolean => this.#isAdopted && this.#fleet.slots.listed().every(isReady);
    await this.#waiters.until(isComplete, START_WAIT_MS);
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
  hint(hint: SuspectHint): void {
    this.#complaints.hint(hint);
  }

  /**
   * Ends everything under way, stops the replicas or leaves them, closes the driver. For any time and more than once.
   * Workers have ended before, so nobody routes by what is published then.
   */
  stop(how: { remove: boolean; hasServed?: boolean }): Promise<void> {
    this.#stopped ??= this.#stop(how);
    return this.#stopped;
  }

  async #stop(how: { remove: boolean; hasServed?: boolean }): Promise<void> {
    this.#wake.cancel();
    this.#observer.close();
    this.#fleet.close();
    // `start` tells its caller why `open` failed; here it only matters that it is over.
    await this.#opening.catch(() => {});
    this.#waiters.end();
    await this.#fleet.replacer.settle();
    if (how.remove) this.#fleet.releaseAll();
    await this.#fleet.replacer.settle();
    try {
      await this.#driver.close(how);
    } catch (error) {
      this.#log.warn({ driver: this.#driver.name, error: inWords(error) }, 'the driver did not close well');
    }
  }

  // Operators' calls: operations.ts says more of each.

  /** Resolves after the new replicas answered their heartbeats; on a failure everything of this call is undone. */
  add(change: MembershipChange): Promise<Outcome> {
    return this.#operations.add(change);
  }

  remove(change: MembershipChange): Promise<Outcome> {
    return this.#operations.remove(change);
  }

  replace(name: string): Promise<Outcome> {
    return this.#operations.replace(name);
  }

  setWeight(name: string, weight: number | null): Promise<Outcome> {
    return this.#operations.setWeight(name, weight);
  }

  /** Resolves when every slot runs the version (an image, a command), or it stopped; the caller's going away ends nothing. */
  rollout(version: string, definition?: object, only?: readonly string[]): Promise<Outcome> {
    return this.#operations.rollout({ name: version, definition }, only);
  }

  /** Why none can begin now. */
  readonly rolloutRefusal = (): Refusal | null => this.#operations.rolloutRefusal();
  /** Why another torc cannot go on from here. */
  readonly changeRefusal = (): Refusal | null => this.#operations.changeRefusal();
  readonly holdChanges = (why: string | null): void => this.#operations.hold(why);

  stopRollout(why: string): Outcome {
    return this.#operations.stopRollout(why);
  }

  /** The one under way, or the last; null when there was none. */
  rolloutView(): RolloutView | null {
    return this.#operations.latestRollout?.view() ?? null;
  }

  /** Why these settings cannot be in force. */
  readonly settingsFaults = (settings: SupervisorSettings): string[] =>
    settingsFaults(settings, this.#driver, this.#fleet.slots.serving().length);

  /** Other settings are in force than `before`: what they change here, and one publish, with which they reach the workers. */
  reconfigure(before: SupervisorSettings): void {
    const { ring, ringRows } = this.#settings();
    this.#publisher.configure(ring, ringRows);
    this.#fleet.reconfigure(before);
    this.#tick();
  }

  scaleTo(count: number): Promise<Outcome> {
    return this.#operations.scaleTo(count);
  }

  /** Tells listeners and log of something that is more than one slot's. */
  announce(topic: Notice['topic'], text: string, level: 'info' | 'warn' = 'info'): void {
    this.#fleet.journal.announce(topic, text, level);
    this.#tick();
  }

  // Signals in.

  #onEvent({ kind, replicaId = '', cause }: DriverEvent): void {
    const { replacer } = this.#fleet;
    this.#follower?.heard({ kind, replicaId, cause });
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
    const isFirst = !this.#isAdopted;
    this.#isAdopted = true;
    if (this.#follower) {
      if (isFirst && listed.length === 0) this.#publisher.confirmEmpty();
      if (this.#follower.listed(believed, listed)) void this.#observer.observe();
      return;
    }
    if (isFirst) {
      this.#fleet.adopt(listed);
      return;
    }
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
    // What is only doubted may be gone without a word: the list knows.
    if (signal.kind === 'suspect' && this.#isOpen && !this.#stopped) void this.#observer.observe();
  }

  // The tick.

  /** Its changes are one tick's: of a thousand replicas that need no proof each would publish a table of its own. */
  #asOne(change: () => void): void {
    this.#isTicking = true;
    try {
      change();
    } finally {
      this.#isTicking = false;
    }
  }

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
    this.#waiters.look();
    this.#armWake();
  }

  /** Judge, promote, publish; only then start anything. */
  #round(): void {
    const { slots, replacer } = this.#fleet;
    const known = new Set(slots.all().map(slot => slot.member?.replica.id));
    for (const dirty of this.#inbox.take(replicaId => known.has(replicaId))) this.#fleet.judge(dirty);
    this.#fleet.readmitDue();
    if (this.#follower?.step()) void this.#observer.observe();
    const filled: Slot[] = [];
    if (this.#mayJudgeRollout() && this.#operations.latestRollout?.step(slot => filled.push(slot)))
      this.#tickAgain = true;
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
    return (
      this.#operations.latestRollout?.state === 'running' &&
      !this.#observer.isAway &&
      !this.#observer.isListing
    );
  }

  #publish(): void {
    const { slots, replacer } = this.#fleet;
    if (this.#publisher.update(slots.listed(), replacer.leaving.values()))
      this.#dataPlane.publish(this.#publisher.snapshot);
    this.#fleet.journal.published();
  }

  #armWake(): void {
    const rolloutMs = this.#mayJudgeRollout()
      ? this.#operations.latestRollout!.dueMs
      : Number.POSITIVE_INFINITY;
    const slotsMs = nextDueMs(this.#fleet.slots.all(), this.#clock.nowMs());
    this.#wake.at(Math.min(this.#observer.dueMs, slotsMs, rolloutMs));
  }

  #onWake(): void {
    if (this.#clock.nowMs() >= this.#observer.dueMs) void this.#observer.observe();
    this.#tick();
  }
}
