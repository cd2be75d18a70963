// A roll-out: every slot gets a replica of another version, one slot at a time, and keeps its keys. The new replica is
// started in a seat (a spare kept for that slot) and proven by its first heartbeat; then one publish swaps it for the old
// one, which is drained and stopped before the next slot's turn. So a slot is never out for it, and at most one replica
// more than usual runs. What to do next is a pure function of the slots as they are (`nextStep`), asked at every tick,
// so that deaths, /add and /rm in between are seen and not remembered.
// It stops by itself when a new replica does not become ready, or does not last in its slot (so it has succeeded only when
// all have been well for some seconds): the rest keeps what it runs.
// Until it has succeeded the old version is what healing, /add and spares are filled with (slots already swapped: the
// new one), so a half-way stop needs no undoing: what dies comes back as it was before the roll-out.

import type { Clock } from '../core/clock.ts';
import type { Fleet } from './fleet.ts';
import { STABLE_MS } from './reconcile.ts';
import { isReady, type Slot, type Version } from './slots.ts';

/** Replicas in a row that do not start or do not last: then the version is to blame, not the moment. */
const MOST_FAILURES = 2;
/** For one slot's new replica, from the seat to its first heartbeat. */
export const SEAT_TIMEOUT_MS = 60_000;

const LONGEST_SHOWN = 80;

export type Step =
  /** For something to happen, or this time. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'seat'; readonly slot: Slot }
  /** The slot was removed meanwhile: its seat goes too. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'swap'; readonly slot: Slot; readonly seat: Slot }
  | { readonly kind: 'fail'; readonly why: string }
  | { readonly kind: 'finish' };

export interface Standing {
  /** Swapped already. */
  readonly done: ReadonlySet<Slot>;
  readonly seat: Slot | null;
  /** The seat's replica is due until then. */
  readonly deadlineMs: number;
  /** A replica drains: the one that was swapped out last, or another. */
  readonly isLeaving: boolean;
}

/** What a roll-out does now. `serving`: all slots but the spares, in the order they were added. */
export function nextStep(
  { done, seat, deadlineMs, isLeaving }: Standing,
  serving: readonly Slot[],
  nowMs: number,
): Step {
  const unlasting = serving.find(slot => done.has(slot) && slot.failureCount >= MOST_FAILURES);
  if (unlasting) return fail(unlasting, 'did not last');
  if (seat === null) {
    if (isLeaving) return WAIT;
    const left = serving.filter(slot => !done.has(slot));
    const slot = left.find(each => !each.joining);
    if (slot) return { kind: 'seat', slot };
    if (left.length > 0) return WAIT;
    const untilMs = Math.max(...serving.map(stableAtMs));
    return nowMs >= untilMs ? { kind: 'finish' } : { kind: 'wait', untilMs };
  }
  const slot = seat.seatOf!;
  if (slot.removed) return { kind: 'drop' };
  // A start under way would find the slot filled.
  if (isReady(seat)) return slot.starting === null ? { kind: 'swap', slot, seat } : WAIT;
  if (seat.failureCount >= MOST_FAILURES || nowMs >= deadlineMs) return fail(seat, 'did not become ready');
  return { kind: 'wait', untilMs: deadlineMs };
}

const WAIT: Step = { kind: 'wait', untilMs: Number.POSITIVE_INFINITY };

/** From when on it counts as well; not at all while it is not ready. */
const stableAtMs = (slot: Slot): number =>
  isReady(slot) ? slot.member!.readySinceMs! + STABLE_MS : Number.POSITIVE_INFINITY;

function fail(slot: Slot, what: string): Step {
  const name = slot.seatOf?.name ?? slot.name;
  return {
    kind: 'fail',
    why: `the new replica of slot ${name} ${what}: ${slot.failure?.cause ?? slot.change.cause}`,
  };
}

export type RolloutState = 'running' | 'succeeded' | 'stopped';

/** For people: GET /admin/rollout. */
export interface RolloutView {
  readonly version: string;
  readonly state: RolloutState;
  /** Slots that were swapped, in that order. */
  readonly done: readonly string[];
  /** The slot whose new replica is being started or proven; null between two. */
  readonly now: string | null;
  readonly left: readonly string[];
  /** Since 1970. */
  readonly startedMs: number;
  readonly endedMs: number | null;
  /** Why it stopped. */
  readonly why: string | null;
}

/** One that torc carries out, or one of an orchestrator's that it follows (ordered.ts). */
export interface RolloutRun {
  readonly version: Version;
  readonly state: RolloutState;
  readonly why: string | null;
  /** When a step may be due although nothing happened. */
  readonly dueMs: number;
  /** Takes the next step; false when there is none now. `onSwap` hears of a slot whose replica was swapped. */
  step(onSwap: (slot: Slot) => void): boolean;
  stop(why: string): void;
  view(): RolloutView;
}

export class Rollout implements RolloutRun {
  readonly version: Version;
  /** The version in causes and notices, which are lines. */
  readonly #label: string;
  readonly #fleet: Fleet;
  readonly #clock: Clock;
  readonly #before: Version | null;
  readonly #startedMs: number;
  readonly #done = new Set<Slot>();
  readonly #only: ReadonlySet<string> | null;
  #seat: Slot | null = null;
  #deadlineMs = Number.POSITIVE_INFINITY;
  dueMs = Number.POSITIVE_INFINITY;
  #endedMs: number | null = null;
  #state: RolloutState = 'running';
  why: string | null = null;

  /** `only`: a canary's slots, by name; null: all. */
  constructor(version: Version, fleet: Fleet, clock: Clock, only: ReadonlySet<string> | null = null) {
    const { name } = version;
    this.version = version;
    this.#label = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}...` : name;
    this.#fleet = fleet;
    this.#clock = clock;
    this.#only = only;
    this.#before = fleet.slots.version;
    this.#startedMs = clock.wallMs();
    this.#announce(
      `a roll-out of ${this.#label} begins: ${only === null ? `${fleet.slots.listed().length} slots` : `slot ${[...only].join(', ')} alone`}`,
    );
  }

  get state(): RolloutState {
    return this.#state;
  }

  step(onSwap: (slot: Slot) => void): boolean {
    if (this.#state !== 'running') return false;
    const { slots, replacer } = this.#fleet;
    const standing: Standing = {
      done: this.#done,
      seat: this.#seat,
      deadlineMs: this.#deadlineMs,
      isLeaving: [...replacer.leaving.values()].some(({ how }) => how === 'drain'),
    };
    const step = nextStep(standing, this.#wanted(), this.#clock.nowMs());
    switch (step.kind) {
      case 'wait':
        this.dueMs = step.untilMs;
        return false;
      case 'seat':
        this.#seat = slots.addSeat(step.slot, this.version, this.#fleet.change('a roll-out', 'operator'));
        this.#deadlineMs = this.#clock.nowMs() + SEAT_TIMEOUT_MS;
        break;
      case 'drop':
        this.#dropSeat();
        break;
      case 'swap':
        this.#swap(step.slot, step.seat);
        onSwap(step.slot);
        break;
      case 'fail':
        this.stop(step.why);
        break;
      case 'finish':
        this.#finish();
    }
    return true;
  }

  #wanted(): Slot[] {
    return this.#fleet.slots.serving().filter(({ name }) => this.#only?.has(name) ?? true);
  }

  #swap(slot: Slot, seat: Slot): void {
    this.#fleet.swap(slot, seat, `rolled out: ${this.#label}`);
    this.#seat = null;
    this.#done.add(slot);
    const { done, left } = this.view();
    this.#announce(`slot ${slot.name} runs ${this.#label}: ${done.length} of ${done.length + left.length}`);
  }

  /**
   * From now on it is what everything is filled with; spares of the old version are replaced. A canary's slots keep it alone,
   * also when they heal, until the next roll-out.
   */
  #finish(): void {
    if (this.#only === null) {
      this.#setVersions(this.version);
      this.#fleet.remember(this.version);
    }
    this.#end('succeeded', `the roll-out of ${this.#label} has succeeded`);
  }

  /** Ends it where it is. */
  stop(why: string): void {
    this.why = why;
    this.#dropSeat();
    if (this.#only === null) this.#setVersions(this.#before);
    else for (const slot of this.#done) slot.version = this.#before;
    this.#end('stopped', `the roll-out of ${this.#label} stopped: ${why}`);
  }

  #setVersions(version: Version | null): void {
    const { slots } = this.#fleet;
    slots.version = version;
    for (const slot of slots.all()) slot.version = version;
  }

  #end(state: RolloutState, text: string): void {
    this.#state = state;
    this.#endedMs = this.#clock.wallMs();
    this.#fleet.canaries.remember(this.#fleet.slots);
    this.#announce(text);
  }

  #dropSeat(): void {
    const seat = this.#seat;
    if (seat === null) return;
    this.#seat = null;
    this.#fleet.dropSeat(seat, 'its roll-out stopped');
  }

  #announce(text: string): void {
    this.#fleet.journal.announce('rollout', text);
  }

  view(): RolloutView {
    const serving = this.#wanted();
    const isRunning = this.#state === 'running';
    return {
      version: this.version.name,
      state: this.#state,
      done: [...this.#done].filter(slot => !slot.removed).map(slot => slot.name),
      now: this.#seat?.seatOf?.name ?? null,
      left: isRunning ? serving.filter(slot => !this.#done.has(slot)).map(slot => slot.name) : [],
      startedMs: this.#startedMs,
      endedMs: this.#endedMs,
      why: this.why,
    };
  }
}
