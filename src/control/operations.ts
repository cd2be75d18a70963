// What an operator asks of the supervisor: more slots, fewer, another replica, another version. Each call makes its change in the fleet,
// has the supervisor tick, and waits, bounded, for what the following ticks bring; nothing here starts or publishes.

import type { Clock } from '../core/clock.ts';
import { slotsFault } from '../ring/build.ts';
import type { Driver, Orders } from './driver.ts';
import type { Fleet } from './fleet.ts';
import {
  type MembershipChange,
  type Outcome,
  planAdd,
  planRemove,
  type Refusal,
  refuse,
} from './membership.ts';
import type { SupervisorSettings } from './options.ts';
import { Ordered, OrderedRollout } from './ordered.ts';
import { inWords, type RetireHow } from './replace.ts';
import { Rollout, type RolloutRun, SEAT_TIMEOUT_MS } from './rollout.ts';
import type { SlotStore } from './slot-file.ts';
import { isReady, type Slot, type Version, weightOf } from './slots.ts';
import type { Waiters } from './waiters.ts';
import { weightInWords, weightRefusal } from './weights.ts';

/** /add and a replacement: for the whole call, and more for each replica, because starts are bounded. */
const CHANGE_WAIT_MS = 30_000;
const WAIT_PER_REPLICA_MS = 2_000;
/** A slot whose replica failed this often makes its /add or replacement fail. */
const MOST_FAILURES = 2;
/** /rm: beyond the drain, for the driver to stop them; then it goes on without the caller. */
const REMOVE_WAIT_MS = 30_000;
/** Timers hold 2^31 ms; nobody waits a day for a roll-out's answer. */
const LONGEST_WAIT_MS = 86_400_000;
/** Calls of add and remove under way. */
const MOST_CALLS = 16;

export interface OperationsOptions {
  readonly driver: Driver;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly settings: () => SupervisorSettings;
  readonly waiters: Waiters;
  readonly weightStore: SlotStore<number> | undefined;
  /** Why the driver does not answer; null: it does. */
  readonly awayWhy: () => string | null;
  /** Whether its first list was read. */
  readonly isAdopted: () => boolean;
  readonly isStopped: () => boolean;
  readonly tick: () => void;
}

export class Operations {
  readonly #options: OperationsOptions;
  readonly #driver: Driver;
  readonly #fleet: Fleet;
  /** Where an orchestrator makes the replicas. */
  readonly #ordered: Ordered | null;
  /** The one under way, or the last. */
  #rollout: RolloutRun | null = null;
  #callCount = 0;
  /** Why nothing is begun: another torc takes over. */
  #held: string | null = null;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#driver = options.driver;
    this.#fleet = options.fleet;
    const { orders } = options.driver;
    this.#ordered = orders ? new Ordered({ ...options, orders }) : null;
  }

  get latestRollout(): RolloutRun | null {
    return this.#rollout;
  }

  /** Resolves after the new replicas answered their heartbeats; on a failure everything of this call is undone. */
  add(change: MembershipChange): Promise<Outcome> {
    return this.#bounded(async () => {
      const { slots } = this.#fleet;
      if (this.#ordered) return this.#ordered.add(change);
      if (!this.#driver.creates) return refuse(409, `${this.#given()}: none can be created`);
      const taken = new Set(slots.serving().map(slot => slot.name));
      const plan = planAdd(change, taken, slotCount => slotsFault(this.#options.settings().ring, slotCount));
      if (!plan.ok) return plan;
      const away = this.#away();
      if (away !== null) return away;
      return this.#join(
        plan.names.map(name => slots.add(name, this.#fleet.change('added', 'operator'), true)),
      );
    });
  }

  #away(): Outcome | null {
    const why = this.#options.awayWhy();
    return why === null
      ? null
      : refuse(503, `nothing can be started: the ${this.#driver.name} driver does not answer (${why})`);
  }

  async #join(slots: readonly Slot[]): Promise<Outcome> {
    const failed = (): Slot | undefined => slots.find(slot => slot.failureCount >= MOST_FAILURES);
    this.#options.tick();
    const waitMs = CHANGE_WAIT_MS + WAIT_PER_REPLICA_MS * slots.length;
    await this.#options.waiters.until(() => slots.every(isReady) || failed() !== undefined, waitMs);
    if (slots.every(isReady) && !this.#options.isStopped()) {
      for (const slot of slots) slot.joining = false;
      this.#options.tick();
      return { ok: true };
    }
    const culprit = failed() ?? slots.find(slot => !isReady(slot)) ?? slots[0]!;
    const why = this.#options.isStopped() ? 'torc is stopping' : culprit.change.cause;
    await this.#vacate(slots, 'gone', 'its /add failed');
    return refuse(503, `replica ${culprit.name} did not become ready: ${why}`);
  }

  /** Resolves after the drain. Replicas that are given (`static`) leave routing until the next start of torc. */
  remove(change: MembershipChange): Promise<Outcome> {
    return this.#bounded(async () => {
      if (this.#ordered) return this.#ordered.remove(change);
      if (this.#driver.givenBy !== undefined)
        return refuse(409, `${this.#given()}: stop and remove them where they are made`);
      const plan = planRemove(
        change,
        this.#fleet.slots.listed().map(slot => slot.name),
      );
      if (!plan.ok) return plan;
      const leaving = plan.names.map(name => this.#fleet.slots.get(name)!);
      for (const slot of leaving) this.#weigh(slot, null);
      await this.#vacate(leaving, 'drain', 'removed');
      return { ok: true };
    });
  }

  /**
   * Another replica for a slot, now. Where the slot has one that is ready, the new one is started and proven beside it, in a
   * seat like a roll-out's, then swapped in, and the old one drains: the slot is never out for it. Where it has none, what
   * heals a slot fills it, and waits no longer for its next try. Resolves when the slot has its new replica.
   */
  replace(name: string): Promise<Outcome> {
    return this.#bounded(async () => {
      const slot = this.#listed(name);
      if (slot === undefined) return refuse(404, `there is no slot ${name}`);
      if (!this.#driver.creates) return refuse(409, `${this.#given()}: none can be replaced`);
      const away = this.#away();
      if (away !== null) return away;
      return isReady(slot) ? this.#replaceBeside(slot) : this.#refill(slot);
    });
  }

  /** In force when it resolves, and published. `weight`: null takes an earlier word back. */
  async setWeight(name: string, weight: number | null): Promise<Outcome> {
    if (this.#options.isStopped()) return refuse(503, 'torc is stopping');
    if (this.#held !== null) return refuse(503, this.#held);
    const slots = this.#fleet.slots.serving();
    const slot = this.#listed(name);
    if (slot === undefined) return refuse(404, `there is no slot ${name}`);
    const refusal = weightRefusal(slot, weight, slots, this.#options.settings().ring);
    if (refusal !== null) return refusal;
    const ordered = this.#ordered;
    if (ordered !== null) return this.#bounded(() => ordered.weigh(slot, weight));
    this.#weigh(slot, weight);
    this.#options.tick();
    return { ok: true };
  }

  #weigh(slot: Slot, weight: number | null): void {
    const before = weightOf(slot);
    const all = this.#fleet.slots.setWeight(slot, weight);
    this.#options.weightStore?.write(all);
    if (weightOf(slot) !== before) this.#fleet.journal.announce('weight', weightInWords(slot, before));
  }

  #listed(name: string): Slot | undefined {
    return this.#fleet.slots.listed().find(each => each.name === name);
  }

  async #replaceBeside(slot: Slot): Promise<Outcome> {
    const { slots, replacer } = this.#fleet;
    if (this.#rollout?.state === 'running') return this.#underWay(this.#rollout);
    if (slots.seats().some(seat => seat.seatOf === slot))
      return refuse(409, `a new replica of slot ${slot.name} is being started already`);
    const seat = slots.addSeat(slot, slot.version, this.#fleet.change('to replace another', 'operator'));
    // A start under way would find the slot filled.
    const isProven = (): boolean => isReady(seat) && slot.starting === null;
    const isOver = (): boolean => slot.removed || seat.failureCount >= MOST_FAILURES || isProven();
    this.#options.tick();
    await this.#options.waiters.until(isOver, SEAT_TIMEOUT_MS);
    if (isProven() && !slot.removed && !this.#options.isStopped()) {
      this.#fleet.swap(slot, seat, 'replaced');
      this.#options.tick();
      if (slot.member) replacer.assign(slot, slot.member);
      return { ok: true };
    }
    const why = seat.failure?.cause ?? seat.change.cause;
    this.#fleet.dropSeat(seat, 'its slot keeps the one it has');
    this.#options.tick();
    if (this.#options.isStopped()) return refuse(503, 'torc is stopping');
    if (slot.removed) return refuse(409, `slot ${slot.name} was removed meanwhile`);
    return refuse(
      503,
      `slot ${slot.name} keeps its replica: a new one beside it did not become ready: ${why}; where two cannot run side by side (a fixed port, a locked file), end the old one yourself and torc fills its slot`,
    );
  }

  async #refill(slot: Slot): Promise<Outcome> {
    // One that is just starting is the new one.
    const before = slot.starting === null ? slot.generation : slot.generation - 1;
    if (slot.member) this.#fleet.release(slot, slot.member, 'drain', 'to be replaced', 'operator');
    slot.failureCount = 0;
    slot.retryAtMs = 0;
    this.#options.tick();
    const isOver = (): boolean => slot.removed || slot.failureCount >= MOST_FAILURES || isFilled();
    const isFilled = (): boolean => isReady(slot) && slot.generation > before;
    await this.#options.waiters.until(isOver, CHANGE_WAIT_MS + WAIT_PER_REPLICA_MS);
    if (isFilled()) return { ok: true };
    if (this.#options.isStopped()) return refuse(503, 'torc is stopping');
    if (slot.removed) return refuse(409, `slot ${slot.name} was removed meanwhile`);
    return refuse(503, `slot ${slot.name} is not ready yet: ${slot.failure?.cause ?? slot.change.cause}`);
  }

  /**
   * Resolves when every slot, or each of `only`, runs a replica of the version (an image, a command), or when it stopped before.
   * The caller's going away ends nothing.
   */
  rollout(version: Version, only: readonly string[] | null = null): Promise<Outcome> {
    return this.#bounded(async () => {
      const missing = only?.find(name => this.#listed(name) === undefined);
      if (missing !== undefined) return refuse(404, `there is no slot ${missing}`);
      const refusal = this.rolloutRefusal();
      if (refusal !== null) return refusal;
      try {
        if (version.definition === undefined) await this.#driver.prepare?.(version.name);
      } catch (error) {
        return refuse(400, inWords(error));
      }
      // Another one may have begun meanwhile.
      const late = this.rolloutRefusal();
      if (late !== null) return late;
      const { orders } = this.#driver;
      if (orders) return this.#order(version, orders);
      return this.#rollOut(new Rollout(version, this.#fleet, this.#options.clock, only && new Set(only)));
    });
  }

  async #order(version: Version, orders: Orders): Promise<Outcome> {
    const before = orders.updateState()?.startedAt ?? null;
    try {
      await orders.update(version.name);
    } catch (error) {
      return refuse(503, inWords(error));
    }
    return this.#rollOut(new OrderedRollout(version, before, orders, this.#fleet, this.#options.clock));
  }

  /** Why none can begin now. */
  rolloutRefusal(): Refusal | null {
    if (!this.#driver.creates && !this.#ordered) return refuse(409, `${this.#given()}: none can be replaced`);
    return this.#changing();
  }

  /** Why another torc cannot go on with the slots as they are. */
  changeRefusal(): Refusal | null {
    return (
      this.#changing() ??
      (this.#callCount > 0 ? refuse(409, 'slots are being changed: try again when that is done') : null)
    );
  }

  /** Whoever would change slots is refused with this; null: nobody any more. */
  hold(why: string | null): void {
    this.#held = why;
  }

  #changing(): Refusal | null {
    if (!this.#options.isAdopted()) return refuse(503, 'torc is starting: try again later');
    if (this.#rollout?.state === 'running') return this.#underWay(this.#rollout);
    const [seat] = this.#fleet.slots.seats();
    return seat
      ? refuse(409, `slot ${seat.seatOf!.name} is getting another replica: try again when it has it`)
      : null;
  }

  #underWay({ version }: RolloutRun): Refusal {
    return refuse(409, `a roll-out of ${version.name} is under way: see GET /admin/rollout`);
  }

  async #rollOut(rollout: RolloutRun): Promise<Outcome> {
    this.#rollout = rollout;
    this.#options.tick();
    const perSlotMs = SEAT_TIMEOUT_MS + this.#options.settings().drainTimeoutMs + REMOVE_WAIT_MS;
    const waitMs = Math.min(perSlotMs * (this.#fleet.slots.serving().length + 1), LONGEST_WAIT_MS);
    await this.#options.waiters.until(() => rollout.state !== 'running', waitMs);
    if (rollout.state === 'succeeded') return { ok: true };
    if (this.#options.isStopped()) return refuse(503, 'torc is stopping');
    return refuse(503, rollout.why ?? 'the roll-out still goes on: see GET /admin/rollout');
  }

  /** Ends the roll-out under way: no further slot is replaced. */
  stopRollout(why: string): Outcome {
    if (this.#rollout?.state !== 'running') return refuse(409, 'no roll-out is under way');
    this.#rollout.stop(why);
    this.#options.tick();
    return { ok: true };
  }

  #given(): string {
    return `the replicas are given by ${this.#driver.givenBy ?? 'TORC_UPSTREAMS'}`;
  }

  /** As /add and /rm do it. */
  async scaleTo(count: number): Promise<Outcome> {
    const more = count - this.#fleet.slots.serving().length;
    if (more === 0) return { ok: true };
    const change = { count: Math.abs(more), names: [] };
    return more > 0 ? this.add(change) : this.remove(change);
  }

  /** Takes slots out of table and routing at once; resolves when nothing of them is left, or the bound is over. */
  async #vacate(slots: readonly Slot[], how: RetireHow, cause: string): Promise<void> {
    for (const slot of slots) {
      this.#fleet.slots.remove(slot);
      if (slot.member) this.#fleet.release(slot, slot.member, how, cause, 'operator');
    }
    if (this.#rollout?.state !== 'running') this.#fleet.canaries.remember(this.#fleet.slots);
    this.#options.tick();
    const isVacant = (slot: Slot): boolean => slot.starting === null && !this.#fleet.replacer.holds(slot);
    await this.#options.waiters.until(
      () => slots.every(isVacant),
      this.#options.settings().drainTimeoutMs + REMOVE_WAIT_MS,
    );
  }

  async #bounded(call: () => Promise<Outcome>): Promise<Outcome> {
    if (this.#options.isStopped()) return refuse(503, 'torc is stopping');
    if (this.#held !== null) return refuse(503, this.#held);
    if (this.#callCount >= MOST_CALLS) return refuse(503, 'too many changes are under way: try again later');
    this.#callCount++;
    try {
      return await call();
    } finally {
      this.#callCount--;
    }
  }
}
