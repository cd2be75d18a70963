// The replicas' lives: every way in which a replica comes into a slot, is doubted, taken back, and leaves. All changes of
// state go through here, so that each is checked by the table of transitions, noted for people, and leaves heartbeats
// and slot in step. When to do any of it is the supervisor's to say; nothing here publishes.

import { StartError } from '../core/errors.ts';
import type { ReplicaState } from '../core/types.ts';
import { slotsFault } from '../ring/build.ts';
import { Canaries } from './canaries.ts';
import type { Place, Replica } from './driver.ts';
import { Health } from './health.ts';
import type { Dirty, Signal, Source } from './inbox.ts';
import { Journal } from './journal.ts';
import type { SupervisorOptions, SupervisorSettings } from './options.ts';
import { ejectionMs, mostHung, PANIC_MS } from './outlier.ts';
import { adoptable, backoffMs, STABLE_MS } from './reconcile.ts';
import { type Leaving, Replacer, type RetireHow } from './replace.ts';
import {
  type Change,
  type Failure,
  isReady,
  type Member,
  moveTo,
  newMember,
  type Slot,
  Slots,
  type Version,
} from './slots.ts';
import { lastSaid } from './start-advice.ts';
import { warmUpOf } from './warm-up.ts';

export interface FleetEvents {
  /** Somebody has to look at a replica. */
  readonly onSignal: (signal: Signal) => void;
  /** The state of a slot is another: time for a tick. */
  readonly onChange: () => void;
  readonly onStartFailed: (slot: Slot, failure: Failure, isNew: boolean) => void;
}

export class Fleet {
  readonly slots: Slots;
  readonly canaries: Canaries;
  readonly journal: Journal;
  readonly replacer: Replacer;
  readonly health: Health;
  readonly #options: SupervisorOptions;
  readonly #events: FleetEvents;
  #isClosed = false;

  constructor(options: SupervisorOptions, events: FleetEvents) {
    const { driver, dataPlane, clock, log, settings } = options;
    this.#options = options;
    this.#events = events;
    this.slots = new Slots(options.weightStore?.read());
    this.canaries = new Canaries(options.canaryStore);
    this.journal = new Journal(clock, log, options.eventStore ?? null);
    this.health = new Health({
      ...options,
      slots: this.slots,
      onSignal: events.onSignal,
      onWell: (slot, member, cause) => this.#becomeReady(slot, member, cause, 'heartbeat'),
      onMissed: events.onChange,
      change: (cause, source) => this.change(cause, source),
    });
    this.replacer = new Replacer({
      driver,
      dataPlane,
      clock,
      log,
      drainTimeoutMs: () => settings().drainTimeoutMs,
      onStarted: (slot, replica, version) => this.#onStarted(slot, replica, version),
      onStartFailed: (slot, cause) => this.#onStartFailed(slot, cause),
      onStopped: () => this.#events.onChange(),
      onRetired: leaving => this.#onRetired(leaving),
    });
    if (driver.creates) this.#makeSlots();
  }

  /** The slots that were asked for, still empty. */
  #makeSlots(): void {
    const { replicas, spares, ring } = this.#options.settings();
    const fault = slotsFault(ring, replicas);
    if (fault !== null) {
      throw new StartError(`TORC_REPLICAS: ${replicas} is too many; ${fault}`, { exitCode: 2 });
    }
    const names = this.#options.slotNames ?? Array.from({ length: replicas }, (_, index) => `${index + 1}`);
    for (const name of names) this.canaries.add(this.slots, name, this.change('torc started', 'supervisor'));
    for (let i = 1; i <= spares; i++) this.slots.addSpare(this.change('torc started', 'supervisor'));
  }

  /** Other settings are in force than `before`. */
  reconfigure(before: SupervisorSettings): void {
    const { settings, driver } = this.#options;
    this.health.configure(before);
    if (settings().slowStartMs === 0) for (const slot of this.slots.all()) slot.warmUp = null;
    if (driver.creates) this.#keepSpares(settings().spares);
  }

  #keepSpares(count: number): void {
    const spares = this.slots.spares().filter(({ seatOf }) => seatOf === null);
    for (let number = spares.length; number < count; number++)
      this.slots.addSpare(this.change('more spares are wanted', 'operator'));
    for (const spare of spares.slice(count)) {
      this.slots.remove(spare);
      if (spare.member) this.release(spare, spare.member, 'gone', 'fewer spares are wanted', 'operator');
    }
  }

  /** From now on no heartbeats, and what a start still brings is only noted, for `releaseAll` or the next torc. */
  close(): void {
    this.#isClosed = true;
    this.health.close();
  }

  // Into a slot.

  /**
   * The first list: takes over what an earlier run left, also slots that were added to it, and clears the rest away.
   */
  adopt(listed: readonly Replica[]): void {
    const { log } = this.#options;
    const settings = this.#options.settings();
    const adopted = new Set<string>();
    for (const replica of settings.adopt ? adoptable(listed) : []) {
      const slot = replica.spare ? this.#emptySpare() : this.#emptySlot(replica.slot);
      if (slot === undefined) continue;
      adopted.add(replica.id);
      slot.generation = replica.generation;
      this.#fill(slot, replica, settings.deadAfterMs, slot.version);
    }
    this.slots.isStarting = false;
    if (listed.length === 0) return;
    const left = listed.filter(replica => !adopted.has(replica.id));
    for (const replica of left) this.retireStray(replica, 'left by an earlier run');
    log.info({ adopted: adopted.size, cleared: left.length }, 'replicas of an earlier run');
    const serving = this.slots.serving().length;
    const wanted = this.#options.slotNames?.length ?? settings.replicas;
    if (serving > wanted)
      log.warn(
        { slots: serving, replicas: wanted },
        `${serving} slots are kept from an earlier run, and TORC_REPLICAS says ${wanted}: DELETE /rm takes out what is too many`,
      );
  }

  #emptySlot(name: string): Slot | undefined {
    const slot = this.slots.get(name);
    if (slot !== undefined) return slot.member === null ? slot : undefined;
    if (slotsFault(this.#options.settings().ring, this.slots.serving().length + 1) !== null) return undefined;
    return this.canaries.add(this.slots, name, this.change('found', 'supervisor'));
  }

  #emptySpare(): Slot | undefined {
    return this.slots.spares().find(slot => slot.member === null);
  }

  /** A replica that somebody else has made. */
  fill(slot: Slot, replica: Replica): void {
    slot.generation++;
    this.#fill(slot, replica, this.#options.settings().startTimeoutMs, null);
  }

  #fill(slot: Slot, replica: Replica, answerWithinMs: number, version: Version | null): void {
    const member = newMember(replica, this.#nowMs(), answerWithinMs, version);
    slot.member = member;
    if (this.health.isAsked) this.health.watch(replica);
    else this.#becomeReady(slot, member, 'taken without probes', 'supervisor');
  }

  promote(slot: Slot, spare: Slot, cause = 'promoted from the spares', source: Source = 'supervisor'): void {
    this.replacer.promote(slot, spare);
    this.#note(slot, slot.member!, 'dead', cause, source);
    if (isReady(slot)) this.#warmUp(slot, true);
    slot.trouble = null;
    spare.change = this.change('promoted', source);
    spare.retryAtMs = 0;
  }

  /** The seat's replica takes the slot over from the one that fills it; both in the next publish. */
  swap(slot: Slot, seat: Slot, cause: string, source: 'operator' | 'listing' = 'operator'): void {
    if (slot.member) this.release(slot, slot.member, 'drain', cause, source);
    slot.version = seat.version;
    slot.failureCount = 0;
    slot.failure = null;
    this.promote(slot, seat, cause);
    this.slots.remove(seat);
  }

  /** Its slot gets no other replica after all. */
  dropSeat(seat: Slot, cause: string): void {
    this.slots.remove(seat);
    if (seat.member) this.release(seat, seat.member, 'gone', cause, 'operator');
  }

  #onStarted(slot: Slot, replica: Replica, version: Version | null): void {
    if (slot.removed) this.replacer.retire(newMember(replica, this.#nowMs(), 0), slot, 'gone');
    else if (this.#isClosed) slot.member = newMember(replica, this.#nowMs(), 0);
    else this.#fill(slot, replica, this.#options.settings().startTimeoutMs, version);
    this.#events.onChange();
  }

  #onStartFailed(slot: Slot, cause: string): void {
    const isNew = slot.change.cause !== cause;
    const failure = this.#countFailure(slot, false, cause);
    slot.change = this.change(cause, 'supervisor');
    this.#events.onStartFailed(slot, failure, isNew);
  }

  /** Why a slot is not filled: at the first failure, then with growing distance. */
  tellFailing(slot: Slot, { number, cause, output, retryAtMs }: Failure, isNew: boolean): void {
    const isTold = isNew || (number & (number - 1)) === 0;
    if (!isTold || slot.failureCount === 0 || isReady(slot)) return;
    const retryInMs = Math.max(0, Math.round(retryAtMs - this.#nowMs()));
    const again = slot.removed ? '' : `; next try in ${retryInMs} ms`;
    this.#options.log.warn(
      { slot: slot.name, failureCount: number, retryInMs, cause, output },
      `slot ${slot.name} is not filled, failure ${number}: ${cause}${lastSaid(output, cause)}${again}`,
    );
  }

  // In a slot.

  /** What a signal means for its slot. */
  judge({ first, kind }: Dirty): void {
    const slot = this.slots.byReplica(first.replicaId);
    if (!slot?.member) return;
    const { member } = slot;
    slot.trouble ??= first;
    const isGiven = !this.#options.driver.creates;
    if (isGiven && (kind === 'going' || kind === 'gone')) {
      this.release(slot, member, kind, first.cause, first.source);
      return;
    }
    if (kind === 'suspect' || isGiven) {
      this.#doubt(slot, member, first, kind !== 'suspect');
      return;
    }
    const isHeartbeats = kind === 'hung' || kind === 'failing';
    if (isHeartbeats && member.state === 'ready' && this.#isPanic(slot)) return;
    const isStable = member.readySinceMs !== null && this.#nowMs() - member.readySinceMs >= STABLE_MS;
    const failure = this.#countFailure(slot, isStable, first.cause);
    const how = kind === 'failing' ? 'drain' : kind;
    this.release(slot, member, how, first.cause, first.source, failure);
  }

  /** So many others are out for their heartbeats that the cause is likely shared: for a time no more of them. */
  #isPanic(slot: Slot): boolean {
    if (slot.spare || this.#nowMs() - (slot.trouble?.atMs ?? 0) >= PANIC_MS) return false;
    const listed = this.slots.listed();
    const isOut = (other: Slot): boolean =>
      other !== slot && !isReady(other) && other.trouble?.source === 'heartbeat';
    return listed.filter(isOut).length >= mostHung(listed.length);
  }

  /** Out of routing until a heartbeat decides, with what it works on. Never the last ready one, unless it is `certain`. */
  #doubt(slot: Slot, member: Member, { cause, source }: Signal, certain: boolean): void {
    const isHeartbeats = source === 'heartbeat';
    const isLast = !slot.spare && this.slots.listed().every(other => other === slot || !isReady(other));
    if (isReady(slot) && (certain || !(isLast || (isHeartbeats && this.#isPanic(slot))))) {
      this.#move(slot, member, 'suspect', cause, source);
      if (!this.health.isAsked && member.ejectedUntilMs === 0) this.eject(slot, member, cause);
    }
    if (!certain && !isHeartbeats && member.state !== 'starting') this.health.confirm(member);
  }

  /** The driver's list says that it answers nothing now. */
  doubtListed(slot: Slot, cause: string): void {
    const { member } = slot;
    if (member === null) return;
    const { id: replicaId } = member.replica;
    const signal: Signal = { replicaId, kind: 'hung', source: 'listing', cause, atMs: this.#nowMs() };
    if (isReady(slot)) slot.trouble ??= signal;
    this.#doubt(slot, member, signal, true);
  }

  /** Sets for how long it stays out, longer each time. */
  eject(slot: Slot, member: Member, cause: string): void {
    member.ejectedUntilMs = this.#nowMs() + ejectionMs(++member.ejectionCount);
    // One that is out already, for a doubt, stays for another reason now.
    if (member.state === 'suspect') slot.change = this.change(cause, 'outlier');
  }

  /** Those whose ejection is over: asked again, or simply tried where there are no probes. */
  readmitDue(): void {
    for (const slot of this.slots.all()) {
      const { member } = slot;
      if (member?.state !== 'suspect' || member.ejectedUntilMs === 0) continue;
      if (this.#nowMs() < member.ejectedUntilMs) continue;
      member.ejectedUntilMs = 0;
      if (this.health.isAsked) this.health.confirm(member);
      else this.#becomeReady(slot, member, 'its ejection is over', 'supervisor');
    }
  }

  #becomeReady(slot: Slot, member: Member, cause: string, source: Source): void {
    this.health.steady(member);
    this.#warmUp(slot, member.readySinceMs === null);
    this.#move(slot, member, 'ready', cause, source);
    slot.trouble = null;
    this.#events.onChange();
  }

  #warmUp(slot: Slot, isNew: boolean): void {
    const { settings, clock, driver } = this.#options;
    const becoming = { isNew, isGiven: !driver.creates, nowMs: clock.nowMs(), wallMs: clock.wallMs() };
    slot.warmUp = warmUpOf(slot, settings(), becoming);
    slot.isFromStart = false;
  }

  // Out of a slot.

  /** The slot's member is its member no more: out of routing with the next publish, then retired. */
  release(
    slot: Slot,
    member: Member,
    how: RetireHow,
    cause: string,
    source: Source,
    failure: Failure | null = null,
  ): void {
    this.#move(slot, member, how === 'drain' || how === 'going' ? 'draining' : 'dead', cause, source);
    slot.member = null;
    this.health.unwatch(member);
    this.replacer.retire(member, slot, how, failure);
  }

  /** Nothing more comes from what runs there; which slots lose theirs. */
  lose({ id }: Place, cause: string): string[] {
    const there = this.slots.all().filter(({ member }) => member?.replica.place?.id === id);
    for (const slot of there) this.release(slot, slot.member!, 'hung', cause, 'heartbeat');
    this.#events.onChange();
    return there.map(({ name }) => name);
  }

  /** A roll-out has succeeded with it. */
  remember({ name, definition }: Version): void {
    this.#options.driver.remember?.(name, definition);
  }

  /** A spare of a version that is no longer wanted. */
  discard(spare: Slot): void {
    if (spare.member) this.release(spare, spare.member, 'gone', 'a spare of another version', 'operator');
  }

  /** At the exit: what is still in the slots is stopped. */
  releaseAll(): void {
    for (const slot of this.slots.all()) {
      if (slot.member) this.release(slot, slot.member, 'gone', 'torc stopped', 'supervisor');
    }
  }

  retireStray(replica: Replica, cause: string): void {
    this.#options.log.warn(
      { replica: replica.label, slot: replica.slot, cause },
      `replica ${replica.label} is cleared away: ${cause}`,
    );
    this.replacer.retire(newMember(replica, this.#nowMs(), 0), null, 'gone');
  }

  #onRetired({ slot, member, how, failure }: Leaving): void {
    // The death of one that was ready is told by its move.
    if (slot && failure !== null && (member.readySinceMs === null || failure.number > 1))
      this.tellFailing(slot, failure, false);
    if (slot && (how === 'drain' || how === 'going'))
      this.#note(slot, member, 'draining', this.#options.driver.creates ? 'stopped' : 'left', 'supervisor');
    this.#events.onChange();
  }

  // Notes.

  change(cause: string, source: Source): Change {
    return { atMs: this.#options.clock.wallMs(), cause, source };
  }

  #move(slot: Slot, member: Member, to: ReplicaState, cause: string, source: Source): void {
    const from = member.state;
    moveTo(member, to, this.#nowMs());
    this.#note(slot, member, from, cause, source);
  }

  #note(slot: Slot, member: Member, from: ReplicaState, cause: string, source: Source): void {
    const { replica, state: to, aliveMs } = member;
    // What leaves is no longer the slot's own story.
    const isCurrent = slot.member === member;
    if (isCurrent) slot.change = this.change(cause, source);
    const generation = isCurrent ? slot.generation : replica.generation;
    this.journal.note({ slot, generation, replica, from, to, cause, source, trouble: slot.trouble, aliveMs });
  }

  #countFailure(slot: Slot, wasStable: boolean, cause: string): Failure {
    const number = wasStable ? 1 : slot.failureCount + 1;
    const retryAtMs = this.#nowMs() + backoffMs(number, this.#options.random);
    slot.failureCount = number;
    slot.retryAtMs = retryAtMs;
    slot.failure = { cause, output: '', number, retryAtMs };
    return slot.failure;
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}
