// The replicas' lives: every way in which a replica comes into a slot, is doubted, taken back, and leaves. All changes of
// state go through here, so that each is checked by the table of transitions, noted for people, and leaves heartbeats
// and slot in step. When to do any of it is the supervisor's to say; nothing here publishes.

import { StartError } from '../core/errors.ts';
import type { ReplicaState } from '../core/types.ts';
import { slotsFault } from '../ring/build.ts';
import type { ProbeResult, Replica } from './driver.ts';
import { Heartbeats, judgeBeat } from './heartbeat.ts';
import type { Dirty, Signal, Source } from './inbox.ts';
import { Journal } from './journal.ts';
import type { SupervisorOptions } from './options.ts';
import { ejectionMs, LAST_READY_MS, mostHung, PANIC_MS } from './outlier.ts';
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

/** A new replica's first answer; an adopted one has started long ago. */
const FIRST_ANSWER_MS = 30_000;
const ADOPTED_ANSWER_MS = 5_000;

export interface FleetEvents {
  /** Somebody has to look at a replica. */
  readonly onSignal: (signal: Signal) => void;
  /** The state of a slot is another: time for a tick. */
  readonly onChange: () => void;
  readonly onStartFailed: (slot: Slot, failure: Failure, isNew: boolean) => void;
}

export class Fleet {
  readonly slots = new Slots();
  readonly journal: Journal;
  readonly replacer: Replacer;
  readonly #heartbeats: Heartbeats;
  readonly #options: SupervisorOptions;
  readonly #events: FleetEvents;
  #isClosed = false;

  constructor(options: SupervisorOptions, events: FleetEvents) {
    const { driver, dataPlane, probe, clock, random, log, settings } = options;
    this.#options = options;
    this.#events = events;
    this.journal = new Journal(clock, log, options.eventStore ?? null);
    this.#heartbeats = new Heartbeats({
      probe,
      clock,
      random,
      path: settings.heartbeatPath,
      intervalMs: settings.heartbeatIntervalMs,
      timeoutMs: settings.heartbeatTimeoutMs,
      onBeat: (replicaId, result) => this.#onBeat(replicaId, result),
    });
    this.replacer = new Replacer({
      driver,
      dataPlane,
      clock,
      log,
      drainTimeoutMs: settings.drainTimeoutMs,
      onStarted: (slot, replica, version) => this.#onStarted(slot, replica, version),
      onStartFailed: (slot, cause) => this.#onStartFailed(slot, cause),
      onStopped: () => this.#events.onChange(),
      onRetired: leaving => this.#onRetired(leaving),
    });
    if (driver.creates) this.#makeSlots();
  }

  /** The slots that were asked for, still empty. */
  #makeSlots(): void {
    const { replicas, spares, ring } = this.#options.settings;
    const fault = slotsFault(ring, replicas);
    if (fault !== null) {
      throw new StartError(`TORC_REPLICAS: ${replicas} is too many; ${fault}`, { exitCode: 2 });
    }
    for (let i = 1; i <= replicas; i++)
      this.slots.add(`${i}`, this.change('torc started', 'supervisor'), false);
    for (let i = 1; i <= spares; i++) this.slots.addSpare(this.change('torc started', 'supervisor'));
  }

  /** From now on no heartbeats, and what a start still brings is only noted, for `releaseAll` or the next torc. */
  close(): void {
    this.#isClosed = true;
    this.#heartbeats.close();
  }

  // Into a slot.

  /**
   * The first list: takes over what an earlier run left, also slots that were added to it, and clears the rest away.
   * Where replicas are given, this is what makes the slots.
   */
  adopt(listed: readonly Replica[]): void {
    const { driver, settings, log } = this.#options;
    const adopted = new Set<string>();
    for (const replica of settings.adopt || !driver.creates ? adoptable(listed) : []) {
      const slot = replica.spare ? this.#emptySpare() : this.#emptySlot(replica.slot);
      if (slot === undefined) continue;
      adopted.add(replica.id);
      slot.generation = replica.generation;
      this.#fill(slot, replica, ADOPTED_ANSWER_MS, slot.version);
    }
    if (!driver.creates || listed.length === 0) return;
    const left = listed.filter(replica => !adopted.has(replica.id));
    for (const replica of left) this.retireStray(replica, 'left by an earlier run');
    log.info({ adopted: adopted.size, cleared: left.length }, 'replicas of an earlier run');
  }

  #emptySlot(name: string): Slot | undefined {
    const slot = this.slots.get(name);
    if (slot !== undefined) return slot.member === null ? slot : undefined;
    if (slotsFault(this.#options.settings.ring, this.slots.serving().length + 1) !== null) return undefined;
    return this.slots.add(name, this.change('found', 'supervisor'), false);
  }

  #emptySpare(): Slot | undefined {
    return this.slots.spares().find(slot => slot.member === null);
  }

  #fill(slot: Slot, replica: Replica, answerWithinMs: number, version: Version | null): void {
    const member = newMember(replica, this.#nowMs(), answerWithinMs, version);
    slot.member = member;
    if (this.#hasProbes) this.#heartbeats.watch(replica.id, replica.host, replica.port);
    else this.#becomeReady(slot, member, 'taken without probes', 'supervisor');
  }

  promote(slot: Slot, spare: Slot, cause = 'promoted from the spares'): void {
    this.replacer.promote(slot, spare);
    this.#note(slot, slot.member!, 'dead', cause, 'supervisor');
    slot.trouble = null;
    spare.change = this.change('promoted', 'supervisor');
    spare.retryAtMs = 0;
  }

  /** The seat's replica takes the slot over from the one that fills it; both in the next publish. */
  swap(slot: Slot, seat: Slot, cause: string): void {
    if (slot.member) this.release(slot, slot.member, 'drain', cause, 'operator');
    slot.version = seat.version;
    slot.failureCount = 0;
    slot.failure = null;
    this.promote(slot, seat, cause);
    this.slots.remove(seat);
  }

  #onStarted(slot: Slot, replica: Replica, version: Version | null): void {
    if (slot.removed) this.replacer.retire(newMember(replica, this.#nowMs(), 0), slot, 'gone');
    else if (this.#isClosed) slot.member = newMember(replica, this.#nowMs(), 0);
    else this.#fill(slot, replica, FIRST_ANSWER_MS, version);
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
      `slot ${slot.name} is not filled, failure ${number}: ${cause}${again}`,
    );
  }

  // In a slot.

  #onBeat(replicaId: string, { alive, detail }: ProbeResult): void {
    const slot = this.slots.byReplica(replicaId);
    if (!slot?.member) return;
    const { member } = slot;
    const { heartbeatFall: fall, heartbeatRise: rise } = this.#options.settings;
    const before = member.state;
    const { host, port } = member.replica;
    const asked = `GET ${this.#options.settings.heartbeatPath} on ${host.includes(':') ? `[${host}]` : host}:${port}`;
    const cause = beatInWords(before, alive, detail, asked);
    const signal: Signal = { replicaId, kind: 'hung', source: 'heartbeat', cause, atMs: this.#nowMs() };
    const verdict = judgeBeat(member, alive, this.#nowMs(), { fall, rise });
    if (alive) {
      member.aliveMs = this.#nowMs();
      member.confirming = false;
      if (before === 'ready') slot.trouble = null;
    } else if (before === 'ready') slot.trouble ??= signal;
    else if (before === 'starting') slot.change = this.change(cause, 'heartbeat');
    if (verdict === 'fail') this.#events.onSignal(signal);
    else if (verdict !== 'none') this.#becomeReady(slot, member, cause, 'heartbeat');
  }

  /** What a signal means for its slot. */
  judge({ first, kind }: Dirty): void {
    const slot = this.slots.byReplica(first.replicaId);
    if (!slot?.member) return;
    const { member } = slot;
    slot.trouble ??= first;
    if (kind === 'suspect' || !this.#options.driver.creates) {
      this.#doubt(slot, member, first, kind !== 'suspect');
      return;
    }
    if (kind === 'hung' && this.#isPanic(slot, member)) return;
    const isStable = member.readySinceMs !== null && this.#nowMs() - member.readySinceMs >= STABLE_MS;
    const failure = this.#countFailure(slot, isStable, first.cause);
    this.release(slot, member, kind, first.cause, first.source, failure);
  }

  /** Half of the slots are out for their heartbeats, or all others are out: one that misses some stays, for a time. */
  #isPanic(slot: Slot, member: Member): boolean {
    if (slot.spare || member.state !== 'ready') return false;
    const troubledMs = this.#nowMs() - (slot.trouble?.atMs ?? 0);
    if (troubledMs >= PANIC_MS) return false;
    const listed = this.slots.listed();
    const out = listed.filter(other => !isReady(other) && other.trouble?.source === 'heartbeat');
    const isLast = listed.length > 1 && listed.every(other => other === slot || !isReady(other));
    return (isLast && troubledMs < LAST_READY_MS) || out.length >= mostHung(listed.length);
  }

  /** Out of routing until a heartbeat decides. Never the last ready one, unless it is `certain`. */
  #doubt(slot: Slot, member: Member, { cause, source }: Signal, certain: boolean): void {
    const isLast = !slot.spare && this.slots.listed().every(other => other === slot || !isReady(other));
    if (isReady(slot) && (certain || !isLast)) {
      this.#move(slot, member, 'suspect', cause, source);
      if (!this.#hasProbes) this.eject(member);
    }
    if (!certain && member.state !== 'starting') this.#confirm(member);
  }

  /** Sets for how long it stays out, longer each time. */
  eject(member: Member): void {
    member.ejectedUntilMs = this.#nowMs() + ejectionMs(++member.ejectionCount);
  }

  /** Those whose ejection is over: asked again, or simply tried where there are no probes. */
  readmitDue(): void {
    for (const slot of this.slots.all()) {
      const { member } = slot;
      if (member?.state !== 'suspect' || member.ejectedUntilMs === 0) continue;
      if (this.#nowMs() < member.ejectedUntilMs) continue;
      member.ejectedUntilMs = 0;
      if (this.#hasProbes) this.#confirm(member);
      else this.#becomeReady(slot, member, 'its ejection is over', 'supervisor');
    }
  }

  #confirm(member: Member): void {
    if (!this.#hasProbes) return;
    member.confirming = true;
    this.#heartbeats.confirm(member.replica.id);
  }

  #becomeReady(slot: Slot, member: Member, cause: string, source: Source): void {
    this.#heartbeats.steady(member.replica.id);
    this.#move(slot, member, 'ready', cause, source);
    slot.trouble = null;
    this.#events.onChange();
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
    this.#heartbeats.unwatch(member.replica.id);
    this.replacer.retire(member, slot, how, failure);
  }

  /** A roll-out has succeeded with it. */
  remember({ name }: Version): void {
    this.#options.driver.remember?.(name);
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
      this.#note(slot, member, 'draining', 'stopped', 'supervisor');
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

  get #hasProbes(): boolean {
    return this.#options.settings.heartbeatPath !== '';
  }
}

function beatInWords(state: ReplicaState, alive: boolean, detail: string, asked: string): string {
  if (alive) return `heartbeat answered: ${detail}`;
  const what = state === 'starting' ? 'no heartbeat answered yet' : 'heartbeat missed';
  return `${what}: ${asked}: ${detail}`;
}
