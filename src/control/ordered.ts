// What an operator asks where an orchestrator makes the replicas: it is told how many there shall be and of which version, and
// the slots follow its list (given.ts). Which of them go, and in which order they are replaced, is its own to choose, so
// names are refused with the reason; torc waits for what was asked and tells how it went, slot by slot.

import type { Clock } from '../core/clock.ts';
import { slotsFault } from '../ring/build.ts';
import type { Orders } from './driver.ts';
import type { Fleet } from './fleet.ts';
import { type MembershipChange, type Outcome, planAdd, planRemove, refuse } from './membership.ts';
import type { SupervisorSettings } from './options.ts';
import { inWords } from './replace.ts';
import type { RolloutRun, RolloutState, RolloutView } from './rollout.ts';
import { isReady, type Slot, type Version } from './slots.ts';
import type { Waiters } from './waiters.ts';

/** An image may have to be pulled first. */
const SCALE_WAIT_MS = 60_000;
const WAIT_PER_REPLICA_MS = 2_000;
/** For a list that has it. */
const WEIGH_WAIT_MS = 10_000;

export interface OrderedOptions {
  readonly orders: Orders;
  readonly fleet: Fleet;
  readonly settings: () => SupervisorSettings;
  readonly waiters: Waiters;
}

export class Ordered {
  readonly #options: OrderedOptions;

  constructor(options: OrderedOptions) {
    this.#options = options;
  }

  /** Resolves when that many more slots are ready; else they are taken back. */
  async add(change: MembershipChange): Promise<Outcome> {
    const { fleet, orders, settings, waiters } = this.#options;
    if (change.names.length > 0)
      return refuse(409, 'Swarm numbers its slots itself: say how many, without names');
    const before = fleet.slots.serving();
    const taken = new Set(before.map(({ name }) => name));
    const plan = planAdd(change, taken, count => slotsFault(settings().ring, count));
    if (!plan.ok) return plan;
    try {
      await orders.scale(change.count);
    } catch (error) {
      return refuse(503, inWords(error));
    }
    const added = (): Slot[] => fleet.slots.serving().filter(slot => !before.includes(slot));
    const isDone = (): boolean => added().filter(isReady).length >= change.count;
    await waiters.until(isDone, SCALE_WAIT_MS + WAIT_PER_REPLICA_MS * change.count);
    if (isDone()) return { ok: true };
    const culprit = added().find(slot => !isReady(slot));
    const why =
      culprit === undefined
        ? 'Swarm has made no task for it yet'
        : `slot ${culprit.name}: ${culprit.change.cause}`;
    try {
      await orders.scale(-change.count);
    } catch (error) {
      return refuse(503, `not all became ready (${why}), and it could not be taken back: ${inWords(error)}`);
    }
    return refuse(503, `not all became ready, it was taken back: ${why}`);
  }

  /** Resolves when that many slots have gone, and what they worked on is done. */
  async remove(change: MembershipChange): Promise<Outcome> {
    const { fleet, orders, settings, waiters } = this.#options;
    if (change.names.length > 0)
      return refuse(
        409,
        'Swarm chooses which of its tasks go (from the nodes with the most): say how many, without names',
      );
    const before = fleet.slots.serving();
    const plan = planRemove(
      change,
      before.map(({ name }) => name),
    );
    if (!plan.ok) return plan;
    try {
      await orders.scale(-change.count);
    } catch (error) {
      return refuse(409, inWords(error));
    }
    const isDone = (): boolean => {
      const gone = before.filter(({ removed }) => removed);
      return gone.length >= change.count && !gone.some(slot => fleet.replacer.holds(slot));
    };
    await waiters.until(isDone, SCALE_WAIT_MS + settings().drainTimeoutMs);
    return isDone() ? { ok: true } : refuse(503, 'it is written, but Swarm has not ended them all yet');
  }

  /** All torcs over these replicas have it, by their lists. Resolves when this one does. */
  async weigh(slot: Slot, weight: number | null): Promise<Outcome> {
    const { orders, waiters } = this.#options;
    try {
      await orders.weigh(slot.name, weight);
    } catch (error) {
      return refuse(503, inWords(error));
    }
    const isDone = (): boolean => slot.weight === (weight ?? 1);
    await waiters.until(isDone, WEIGH_WAIT_MS);
    return isDone() ? { ok: true } : refuse(503, 'it is written, but no list has it yet');
  }
}

/** The orchestrator's own update, as torc sees it from the slots. */
export class OrderedRollout implements RolloutRun {
  readonly version: Version;
  readonly dueMs = Number.POSITIVE_INFINITY;
  readonly #orders: Orders;
  readonly #fleet: Fleet;
  readonly #clock: Clock;
  readonly #startedMs: number;
  /** That of before says nothing of this one. */
  readonly #before: string | null;
  readonly #done = new Set<Slot>();
  #endedMs: number | null = null;
  #state: RolloutState = 'running';
  why: string | null = null;

  /** `before`: when the last update had begun, before this one was written. */
  constructor(version: Version, before: string | null, orders: Orders, fleet: Fleet, clock: Clock) {
    this.version = version;
    this.#orders = orders;
    this.#fleet = fleet;
    this.#clock = clock;
    this.#before = before;
    this.#startedMs = clock.wallMs();
    this.#announce(`an update to ${version.name} begins: ${fleet.slots.listed().length} slots`);
  }

  get state(): RolloutState {
    return this.#state;
  }

  step(): boolean {
    if (this.#state !== 'running') return false;
    const serving = this.#fleet.slots.serving();
    for (const slot of serving) this.#look(slot, serving.length);
    const update = this.#orders.updateState();
    const isOver = update === null || update.state !== 'running';
    if (isOver && serving.every(slot => this.#runsIt(slot))) {
      this.#end('succeeded', `the update to ${this.version.name} has succeeded`);
      return true;
    }
    if (update?.state !== 'stopped' || update.startedAt === this.#before) return false;
    this.why = update.message;
    this.#end('stopped', `the update to ${this.version.name} stopped: ${update.message}`);
    return true;
  }

  #look(slot: Slot, count: number): void {
    if (this.#done.has(slot) || !this.#runsIt(slot)) return;
    this.#done.add(slot);
    this.#announce(`slot ${slot.name} runs ${this.version.name}: ${this.#done.size} of ${count}`);
  }

  #runsIt(slot: Slot): boolean {
    return isReady(slot) && slot.member?.replica.image === this.version.name;
  }

  /** Swarm knows no half an update: what is updated goes back too. */
  stop(why: string): void {
    this.why = why;
    this.#end('stopped', `the update to ${this.version.name} is taken back: ${why}`);
    this.#orders.undo().catch((error: unknown) => {
      this.#announce(`the update to ${this.version.name} could not be taken back: ${inWords(error)}`);
    });
  }

  #end(state: RolloutState, text: string): void {
    this.#state = state;
    this.#endedMs = this.#clock.wallMs();
    this.#announce(text);
  }

  #announce(text: string): void {
    this.#fleet.journal.announce('rollout', text);
  }

  view(): RolloutView {
    const serving = this.#fleet.slots.serving();
    const left = serving.filter(slot => !this.#done.has(slot)).map(({ name }) => name);
    return {
      version: this.version.name,
      state: this.#state,
      done: [...this.#done].filter(slot => !slot.removed).map(({ name }) => name),
      now: this.#fleet.slots.seats()[0]?.seatOf?.name ?? null,
      left: this.#state === 'running' ? left : [],
      startedMs: this.#startedMs,
      endedMs: this.#endedMs,
      why: this.why,
    };
  }
}
