// Replicas that somebody else makes (drivers with `creates: false`): the list is what is wanted, and the slots follow it.
// What to do is a pure function of list and slots as they are (`givenChanges`), so a lost, doubled or late event costs
// time and nothing else. Slots are told apart by name alone and the ring hashes names, so the order of a list means nothing.
// Who comes is proven by its heartbeat before it routes, and serves in its predecessor's place only then (make before
// break); who goes is drained. An empty list is taken for a mistake: it changes nothing, and no list empties the table,
// nor leaves it with none that is ready: those of before serve until one of the new list is proven.

import type { Clock } from '../core/clock.ts';
import { hostPort } from '../core/host-port.ts';
import type { Log } from '../core/log.ts';
import { isCircle, knowsWeights } from '../core/types.ts';
import { slotsFault } from '../ring/build.ts';
import type { Driver, DriverEvent, Replica } from './driver.ts';
import type { Fleet } from './fleet.ts';
import { Machines } from './machines.ts';
import type { SupervisorSettings } from './options.ts';
import { isReady, type Slot, weightOf } from './slots.ts';
import { weightInWords } from './weights.ts';

export type GivenChange =
  /** A new slot. `from`: the replica fills another slot now, and only its name has changed. */
  | { readonly kind: 'add'; readonly replica: Replica; readonly from: Slot | undefined }
  | { readonly kind: 'fill'; readonly slot: Slot; readonly replica: Replica; readonly from: Slot | undefined }
  /** Another replica than the one that fills the slot: proven beside it first. */
  | { readonly kind: 'seat'; readonly slot: Slot; readonly replica: Replica }
  /** The seat's replica is no longer wanted there. */
  | { readonly kind: 'unseat'; readonly seat: Slot; readonly cause: string }
  /** Out of the slot, which stays. */
  | { readonly kind: 'leave'; readonly slot: Slot; readonly how: 'drain' | 'gone'; readonly cause: string }
  /** Out of routing until a heartbeat is answered. */
  | { readonly kind: 'doubt'; readonly slot: Slot; readonly cause: string }
  /** Nothing runs there, and it is listed all the same: a slot for it, empty, with the reason. */
  | { readonly kind: 'open'; readonly name: string; readonly cause: string }
  | { readonly kind: 'tell'; readonly slot: Slot; readonly cause: string }
  | { readonly kind: 'remove'; readonly slot: Slot };

export interface Given {
  readonly listed: readonly Replica[];
  /** The slots of the table. */
  readonly slots: readonly Slot[];
  /** Where replicas are proven that will follow another one in its slot. */
  readonly seats: readonly Slot[];
  /** It may not be taken now: it is leaving, or was asked to end. */
  readonly isBarred: (replica: Replica) => boolean;
  /** An operator took the slot out. */
  readonly isDismissed: (name: string) => boolean;
  /** Since when the slot has no replica, and how long such a slot stays. */
  readonly emptySinceMs: (slot: Slot) => number;
  readonly lingerMs: number;
  readonly nowMs: number;
}

/** What makes the slots what the list says. Additions first, so that a replica that changes its slot is never out. */
export function givenChanges(given: Given): GivenChange[] {
  const { listed, slots, seats, isBarred, isDismissed } = given;
  const running = listed.filter(replica => replica.status === 'running' && !isBarred(replica));
  const changes: GivenChange[] = [];
  const removals: GivenChange[] = [];
  const byName = new Map(slots.map(slot => [slot.name, slot]));
  const holders = new Map(slots.map(slot => [slot.member?.replica.id, slot]));
  const seatOf = new Map(seats.map(seat => [seat.seatOf, seat]));
  const wanted = wantedOf(running, byName);
  // Nothing runs: a mistake, or an outage that heartbeats and events tell of.
  const mayRemove = running.length > 0 && !isHeld(slots, wanted);

  for (const replica of wanted.values()) {
    if (byName.has(replica.slot) || isDismissed(replica.slot)) continue;
    changes.push({ kind: 'add', replica, from: holders.get(replica.id) });
  }
  for (const replica of listed) {
    const { slot: name, status } = replica;
    if (status === 'running' || isDismissed(name) || byName.has(name)) continue;
    if (changes.some(change => 'name' in change && change.name === name) || wanted.has(name)) continue;
    changes.push({ kind: 'open', name, cause: stateInWords(replica) });
  }
  for (const slot of slots) {
    const replica = wanted.get(slot.name);
    const seat = seatOf.get(slot);
    const seated = seat?.member?.replica;
    const isSeated = replica !== undefined && seated !== undefined && isSame(seated, replica);
    if (seat && seated && !isSeated) changes.push({ kind: 'unseat', seat, cause: 'another one is listed' });
    if (replica === undefined) {
      const change = unwanted(slot, given);
      if (change?.kind !== 'remove') changes.push(...(change ? [change] : []));
      else if (mayRemove) removals.push(change);
      continue;
    }
    const filling = slot.member?.replica;
    if (isSeated || (filling !== undefined && isSame(filling, replica))) continue;
    const from = holders.get(replica.id);
    if (filling === undefined) changes.push({ kind: 'fill', slot, replica, from });
    else if (from !== undefined)
      changes.push({ kind: 'leave', slot: from, how: 'drain', cause: movedInWords(from, replica) });
    else if (filling.id !== replica.id) changes.push({ kind: 'seat', slot, replica });
  }
  return [...changes, ...removals];
}

/** Of each slot the running replica of the highest generation; of equals the one that fills it. None is in two slots. */
function wantedOf(running: readonly Replica[], byName: ReadonlyMap<string, Slot>): Map<string, Replica> {
  const wanted = new Map<string, Replica>();
  const seen = new Set<string>();
  for (const replica of running) {
    if (seen.has(replica.id)) continue;
    seen.add(replica.id);
    const known = wanted.get(replica.slot);
    const filling = byName.get(replica.slot)?.member?.replica.id;
    const isNewer = known === undefined || replica.generation > known.generation;
    if (isNewer || (replica.generation === known.generation && replica.id === filling))
      wanted.set(replica.slot, replica);
  }
  return wanted;
}

/** None of those that are listed is proven yet: until one is, those that are ready go on although they are listed no more. */
function isHeld(slots: readonly Slot[], wanted: ReadonlyMap<string, Replica>): boolean {
  const ids = new Set([...wanted.values()].map(({ id }) => id));
  const ready = slots.filter(isReady);
  const goesOn = ({ name, member }: Slot): boolean => wanted.has(name) || ids.has(member!.replica.id);
  return ready.length > 0 && !ready.some(goesOn);
}

/** No replica that could fill it is listed for this slot. */
function unwanted(slot: Slot, { listed, emptySinceMs, lingerMs, nowMs }: Given): GivenChange | null {
  const filling = slot.member?.replica;
  if (filling === undefined) {
    const kept = listed.find(replica => replica.slot === slot.name);
    if (kept === undefined) return nowMs - emptySinceMs(slot) >= lingerMs ? { kind: 'remove', slot } : null;
    const cause = stateInWords(kept);
    return kept.status === 'running' || cause === slot.change.cause ? null : { kind: 'tell', slot, cause };
  }
  const found = listed.find(replica => replica.id === filling.id && replica.slot === slot.name);
  if (found?.status === 'paused') return { kind: 'doubt', slot, cause: stateInWords(found) };
  if (found?.status === 'stopping') return { kind: 'leave', slot, how: 'drain', cause: stateInWords(found) };
  if (found) return { kind: 'leave', slot, how: 'gone', cause: stateInWords(found) };
  if (lingerMs === 0 && !listed.some(replica => replica.slot === slot.name)) return { kind: 'remove', slot };
  return { kind: 'leave', slot, how: 'drain', cause: 'it is no longer listed' };
}

const stateInWords = ({ status, ended }: Replica): string =>
  ended ?? (status === 'stopping' ? 'it is being stopped' : `it is ${status}`);

const isSame = (a: Replica, b: Replica): boolean => a.id === b.id && a.host === b.host && a.port === b.port;

const movedInWords = ({ name }: Slot, { slot, host, port }: Replica): string =>
  name === slot ? `its address became ${hostPort(host, port)}` : `it is listed as slot ${slot} now`;

export interface FollowerOptions {
  readonly driver: Pick<Driver, 'lingerMs' | 'orders'>;
  readonly fleet: Fleet;
  readonly settings: () => Pick<SupervisorSettings, 'ring' | 'heartbeatFall' | 'heartbeatTimeoutMs'>;
  /** Time for a tick. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Carries the changes out, and remembers the little that a list does not say. */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #fleet: Fleet;
  /** Where there are several. */
  readonly #machines: Machines | null;
  /** Names that were listed and taken: one without a slot was taken out by an operator. */
  readonly #taken = new Set<string>();
  readonly #emptySinceMs = new Map<Slot, number>();
  /** Asked to end by somebody: until when they are not taken back although they still run. */
  readonly #goingUntilMs = new Map<string, number>();
  /** Listed while they were leaving: to be listed again when that is over. */
  readonly #awaited = new Set<string>();
  #isFullTold = false;
  #isWeightTold = false;
  /** Of the last list; null where all that it asks for was done. */
  #heldFor: ReadonlySet<string> | null = null;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#fleet = options.fleet;
    const { driver, settings } = options;
    this.#machines = driver.orders
      ? new Machines({ ...options, orders: driver.orders, pace: settings })
      : null;
  }

  /** How long a slot outlives its last replica. */
  get #lingerMs(): number {
    return this.#options.driver.lingerMs ?? 0;
  }

  heard({ kind, replicaId = '' }: DriverEvent): void {
    if (kind === 'gone') this.#goingUntilMs.delete(replicaId);
    if (kind === 'going' && this.#fleet.slots.byReplica(replicaId))
      this.#goingUntilMs.set(replicaId, this.#options.clock.nowMs() + this.#lingerMs);
  }

  /** Makes the slots what was listed; true where a list has to be asked for again, because this one is too old already. */
  listed(believed: readonly Replica[], listed: readonly Replica[]): boolean {
    const { slots, replacer } = this.#fleet;
    const nowMs = this.#options.clock.nowMs();
    // One that left its slot since the list was asked for: the list may not know it.
    const left = new Set(believed.map(({ id }) => id).filter(id => !slots.byReplica(id)));
    const runs = new Set(listed.flatMap(({ id, status }) => (status === 'running' ? id : [])));
    for (const [id, untilMs] of this.#goingUntilMs)
      if (untilMs <= nowMs || !runs.has(id)) this.#goingUntilMs.delete(id);
    for (const slot of slots.serving()) {
      if (slot.member !== null) this.#emptySinceMs.delete(slot);
      else if (!this.#emptySinceMs.has(slot)) this.#emptySinceMs.set(slot, nowMs);
    }
    const names = new Set(listed.map(({ slot }) => slot));
    if (listed.length > 0) {
      for (const name of this.#taken) if (!names.has(name)) this.#taken.delete(name);
    }
    const changes = givenChanges({
      listed,
      slots: slots.serving(),
      seats: slots.spares(),
      isBarred: ({ id, place }) =>
        left.has(id) ||
        this.#goingUntilMs.has(id) ||
        replacer.leaving.has(id) ||
        this.#machines?.isLost(place) === true,
      isDismissed: name => this.#taken.has(name),
      emptySinceMs: slot => this.#emptySinceMs.get(slot) ?? nowMs,
      lingerMs: this.#lingerMs,
      nowMs,
    });
    if (listed.length > 0) for (const change of changes) this.#apply(change);
    for (const replica of listed) this.#weigh(replica);
    this.#heldFor = slots.serving().some(slot => isReady(slot) && !names.has(slot.name)) ? names : null;
    if (listed.length > 0) slots.isStarting = false;
    this.#awaited.clear();
    for (const id of runs) if (replacer.leaving.has(id)) this.#awaited.add(id);
    return [...left].some(id => runs.has(id) && !replacer.leaving.has(id));
  }

  /** At each tick: who is proven takes its slot. True where a list is due, because one that was leaving has left. */
  step(): boolean {
    const { slots, replacer } = this.#fleet;
    this.#machines?.step();
    for (const seat of slots.spares()) {
      const slot = seat.seatOf!;
      if (slot.removed || seat.member === null) this.#drop(seat, 'its slot is gone');
      else if (isReady(seat) || !isReady(slot))
        this.#fleet.swap(slot, seat, `${seat.member.replica.label} takes its place`, 'listing');
    }
    const isProven = slots.serving().some(slot => isReady(slot) && this.#heldFor?.has(slot.name) === true);
    if (isProven) this.#heldFor = null;
    const isDue = [...this.#awaited].some(id => !replacer.leaving.has(id));
    if (isDue) this.#awaited.clear();
    return isDue || isProven;
  }

  #apply(change: GivenChange): void {
    const { slots } = this.#fleet;
    switch (change.kind) {
      case 'add': {
        const slot = this.#newSlot(change.replica.slot);
        if (slot) this.#fill(slot, change.replica, change.from);
        return;
      }
      case 'fill':
        this.#fill(change.slot, change.replica, change.from);
        return;
      case 'seat': {
        const seat = slots.addSeat(change.slot, null, this.#fleet.change('listed', 'listing'));
        this.#fleet.fill(seat, change.replica);
        return;
      }
      case 'unseat':
        this.#drop(change.seat, change.cause);
        return;
      case 'leave':
        this.#release(change.slot, change.how, change.cause);
        return;
      case 'open':
        this.#newSlot(change.name, change.cause);
        return;
      case 'tell':
        change.slot.change = this.#fleet.change(change.cause, 'listing');
        return;
      case 'doubt':
        this.#fleet.doubtListed(change.slot, change.cause);
        return;
      case 'remove':
        slots.remove(change.slot);
        this.#taken.delete(change.slot.name);
        this.#emptySinceMs.delete(change.slot);
        this.#release(change.slot, 'drain', 'it is no longer listed');
    }
  }

  #weigh({ slot: name, weight: given = 1, serverId }: Replica): void {
    const { ring } = this.#options.settings();
    const slot = this.#fleet.slots.get(name);
    // A label may say any weight; who sets one here is told (weights.ts).
    const weight = isCircle(ring) && given > 0 ? Math.max(1, Math.round(given)) : given;
    if (slot) {
      const before = weightOf(slot);
      Object.assign(slot, { weight, serverId: serverId ?? null });
      if (weightOf(slot) !== before && !this.#fleet.slots.isStarting)
        this.#fleet.journal.announce('weight', weightInWords(slot, before));
    }
    if (given === 1 || (given === weight && knowsWeights(ring)) || this.#isWeightTold) return;
    this.#isWeightTold = true;
    const what = knowsWeights(ring)
      ? `whole weights alone: it has ${weight}`
      : 'none: it gets its equal share';
    this.#options.log.warn(
      { slot: name },
      `slot ${name} has the weight ${given}, and TORC_RING=${ring} knows ${what}`,
    );
  }

  #newSlot(name: string, cause = 'listed'): Slot | null {
    const { slots } = this.#fleet;
    const fault = slotsFault(this.#options.settings().ring, slots.serving().length + 1);
    if (fault === null) {
      this.#taken.add(name);
      return slots.add(name, this.#fleet.change(cause, 'listing'), false);
    }
    if (!this.#isFullTold) this.#options.log.warn({ slot: name }, `slot ${name} gets no keys: ${fault}`);
    this.#isFullTold = true;
    return null;
  }

  #fill(slot: Slot, replica: Replica, from: Slot | undefined): void {
    this.#emptySinceMs.delete(slot);
    if (from?.member) this.#fleet.promote(slot, from, `it was slot ${from.name}`, 'listing');
    else this.#fleet.fill(slot, replica);
  }

  #release(slot: Slot, how: 'drain' | 'gone', cause: string): void {
    if (slot.member) this.#fleet.release(slot, slot.member, how, cause, 'listing');
  }

  #drop(seat: Slot, cause: string): void {
    this.#release(seat, 'drain', cause);
    this.#fleet.slots.remove(seat);
  }
}
