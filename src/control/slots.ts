// The slots and what fills them. A slot is a position in the table that outlives its replicas; a member is one replica's
// record while it fills a slot, alone: what leaves (drains, is stopped) is no longer the slot's (replace.ts), so two
// replicas of one slot cannot both be in routing. A spare is a slot outside the table, healed by the same rules.
//
//   starting --> ready <--> suspect        only suspect may return to ready
//      |           |           |
//      +-----------+-----------+--> draining --> dead
//      +-----------+-----------+---------------> dead

import { invariant } from '../core/invariant.ts';
import type { ReplicaState, WarmUp } from '../core/types.ts';
import type { Replica, ReplicaSpec } from './driver.ts';
import type { Signal, Source } from './inbox.ts';
import type { Complaints } from './outlier.ts';

const next: Record<ReplicaState, readonly ReplicaState[]> = {
  starting: ['ready', 'draining', 'dead'],
  ready: ['suspect', 'draining', 'dead'],
  suspect: ['ready', 'draining', 'dead'],
  draining: ['dead'],
  dead: [],
};

/** What a roll-out brought. Compared by identity, because the same name may mean another image by now. */
export interface Version {
  /** An image, a command line. */
  readonly name: string;
  /** What the driver made of other settings (a reload); undefined: what it started with, with this image or command. */
  readonly definition?: object | undefined;
}

/** One replica while torc cares for it. Times are monotonic. */
export interface Member {
  replica: Replica;
  /** What it runs; null: what torc was configured with. */
  readonly version: Version | null;
  state: ReplicaState;
  /** Its first answer is due until then; later for one that prints while it starts. */
  answerByMs: number;
  readonly bornMs: number;
  readonly answerWithinMs: number;
  /** Of its output, when it was looked at last. */
  outputMark: string;
  /** Why it may not answer while it starts, and when to look for that again. */
  advice: string;
  adviseAtMs: number;
  /** When it first became ready; null before. */
  readySinceMs: number | null;
  /** Last sign of life: handed over by the driver, a heartbeat answered (with any status), bytes that a worker read. */
  aliveMs: number;
  /** Its first miss after the last sign of life; later by as long as torc itself could not listen. Before it nobody had asked. */
  silentSinceMs: number | null;
  /** When its last heartbeat was over, also a void one. */
  beatMs: number;
  /** Its first answer that was not well; null while it is. */
  unwellSinceMs: number | null;
  /** What workers had read of it when they were asked last; null: they were not, since it was well. */
  readsSeen: number | null;
  missesInRow: number;
  refusalsInRow: number;
  answersInRow: number;
  /** A signal waits for the next heartbeat to confirm or refute it; one miss is enough then. */
  confirming: boolean;
  /** Ejected for its error rate: not readmitted before. */
  ejectedUntilMs: number;
  ejectionCount: number;
  /** What workers said of it lately. */
  complaints: Complaints | null;
}

export interface Change {
  /** Since 1970, for people. */
  readonly atMs: number;
  readonly cause: string;
  readonly source: Source;
}

/** Why the last replica of a slot did not start or did not last. */
export interface Failure {
  readonly cause: string;
  /** Which in a row it was, and when the next try is due (monotonic): by the time it is told, others may have followed. */
  readonly number: number;
  readonly retryAtMs: number;
  /** The end of what it printed, where it is known. */
  output: string;
}

export interface Slot {
  /** What the table's rows hold; -1 for a spare, which is in no row. */
  readonly id: number;
  readonly name: string;
  readonly spare: boolean;
  /** A seat: the one spare that is kept for this slot, and promoted into no other; of a roll-out, or of a replacement. */
  readonly seatOf: Slot | null;
  /** As it came with its replica; 1 where nothing was said. */
  weight: number;
  /** What an operator said, above that; null: nothing. */
  setWeight: number | null;
  /** HAProxy's id; null: by its name or place. */
  serverId: number | null;
  /** Its replica is its first since torc started, perhaps an old one: it has its keys at once. */
  isFromStart: boolean;
  /** Until then its keys come little by little; null: all are there. */
  warmUp: WarmUp | null;
  /** What its next replica runs; null: what torc was configured with. */
  version: Version | null;
  generation: number;
  member: Member | null;
  /** The one start that is under way: no second action for this slot until it is settled. */
  starting: ReplicaSpec | null;
  /** Being added: proven first, then in the table and in the list together with its companions. */
  joining: boolean;
  /** No longer wanted; what its start brings is stopped. */
  removed: boolean;
  /** Replicas in a row that did not start or did not last. */
  failureCount: number;
  retryAtMs: number;
  failure: Failure | null;
  /** The first signal of the trouble it is in; null when it is well. */
  trouble: Signal | null;
  change: Change;
}

/** Of slots that are gone, the oldest words are forgotten. */
const MOST_SET_WEIGHTS = 2_000;

/** A replica that has not answered until then has somebody look why; then at twice the time. */
const FIRST_ADVICE_MS = 2_000;

export function newMember(
  replica: Replica,
  nowMs: number,
  answerWithinMs: number,
  version: Version | null = null,
): Member {
  return {
    replica,
    version,
    state: 'starting',
    answerByMs: nowMs + answerWithinMs,
    bornMs: nowMs,
    answerWithinMs,
    outputMark: '',
    advice: '',
    adviseAtMs: nowMs + FIRST_ADVICE_MS,
    readySinceMs: null,
    aliveMs: nowMs,
    silentSinceMs: null,
    beatMs: nowMs,
    unwellSinceMs: null,
    readsSeen: null,
    missesInRow: 0,
    refusalsInRow: 0,
    answersInRow: 0,
    confirming: false,
    ejectedUntilMs: 0,
    ejectionCount: 0,
    complaints: null,
  };
}

/** Moves a member along the table of transitions; anything else is a programmer's error. */
export function moveTo(member: Member, to: ReplicaState, nowMs: number): void {
  invariant(
    next[member.state].includes(to),
    `replica ${member.replica.id} went from ${member.state} to ${to}`,
  );
  member.state = to;
  if (to === 'ready') member.readySinceMs ??= nowMs;
  // Who is only doubted goes on to be counted.
  if (to === 'suspect') return;
  member.missesInRow = 0;
  member.refusalsInRow = 0;
  member.answersInRow = 0;
  member.confirming = false;
}

/** In force; 0: it is in the table and gets nothing. */
export const weightOf = ({ weight, setWeight }: Slot): number => setWeight ?? weight;

/** A slot without a member is dead until a start is under way. */
export const stateOf = (slot: Slot): ReplicaState =>
  slot.member?.state ?? (slot.starting === null ? 'dead' : 'starting');

/** What failed for want of an engine has not failed. */
export function forgetFailures(slots: readonly Slot[]): void {
  for (const slot of slots) {
    if (slot.member !== null) continue;
    slot.failureCount = 0;
    slot.retryAtMs = 0;
  }
}

export const isReady = (slot: Slot): boolean => slot.member?.state === 'ready';

/** All slots, in the order they were added, and the spares. */
export class Slots {
  /** What slots that are added from now on are filled with. */
  version: Version | null = null;
  /** Until the first list was read: what comes with it was there before. */
  isStarting = true;
  readonly #serving = new Map<string, Slot>();
  readonly #spares = new Map<string, Slot>();
  readonly #byReplica = new Map<string, Slot>();
  /** What an operator said, by name: a given slot that goes and comes back finds it. */
  readonly #setWeights: Map<string, number>;

  constructor(setWeights: Map<string, number> = new Map()) {
    this.#setWeights = setWeights;
  }

  add(name: string, change: Change, joining: boolean): Slot {
    invariant(!this.#serving.has(name), `slot ${name} exists`);
    const slot = this.#newSlot(this.#freeId(), name, change, { joining });
    this.#serving.set(name, slot);
    return slot;
  }

  addSpare(change: Change): Slot {
    const name = lowestFree(this.#spares, 'spare-');
    const slot = this.#newSlot(-1, name, change, {});
    this.#spares.set(name, slot);
    return slot;
  }

  /** A spare for one slot alone, filled with `version`. */
  addSeat(seatOf: Slot, version: Version | null, change: Change): Slot {
    const slot = this.#newSlot(-1, `next-${seatOf.name}`, change, { seatOf });
    slot.version = version;
    this.#spares.set(slot.name, slot);
    return slot;
  }

  remove(slot: Slot): void {
    slot.removed = true;
    (slot.spare ? this.#spares : this.#serving).delete(slot.name);
  }

  /** An operator's word on a slot's weight, or null to take it back. All of them, by name. */
  setWeight(slot: Slot, weight: number | null): ReadonlyMap<string, number> {
    slot.setWeight = weight;
    this.#setWeights.delete(slot.name);
    if (weight !== null) this.#setWeights.set(slot.name, weight);
    for (const name of this.#setWeights.keys())
      if (this.#setWeights.size > MOST_SET_WEIGHTS && !this.#serving.has(name)) this.#setWeights.delete(name);
    return this.#setWeights;
  }

  get(name: string): Slot | undefined {
    return this.#serving.get(name);
  }

  /** Those of the table and of `/rep`. */
  listed(): Slot[] {
    return [...this.#serving.values()].filter(slot => !slot.joining);
  }

  serving(): Slot[] {
    return [...this.#serving.values()];
  }

  spares(): Slot[] {
    return [...this.#spares.values()];
  }

  seats(): Slot[] {
    return this.spares().filter(({ seatOf }) => seatOf !== null);
  }

  /** Serving ones first: they are healed first. */
  all(): Slot[] {
    return [...this.#serving.values(), ...this.#spares.values()];
  }

  byReplica(replicaId: string): Slot | undefined {
    const found = this.#byReplica.get(replicaId);
    if (found?.removed === false && found.member?.replica.id === replicaId) return found;
    // Members come and go by assignment; what was found before is only a guess. Each of a thousand heartbeats a second asks.
    this.#byReplica.clear();
    for (const slot of this.all())
      if (slot.member !== null) this.#byReplica.set(slot.member.replica.id, slot);
    return this.#byReplica.get(replicaId);
  }

  #freeId(): number {
    const taken = new Set([...this.#serving.values()].map(slot => slot.id));
    let id = 0;
    while (taken.has(id)) id++;
    return id;
  }

  #newSlot(
    id: number,
    name: string,
    change: Change,
    { joining = false, seatOf = null }: { joining?: boolean; seatOf?: Slot | null },
  ): Slot {
    return {
      id,
      name,
      spare: id === -1,
      seatOf,
      weight: 1,
      setWeight: this.#setWeights.get(name) ?? null,
      serverId: null,
      isFromStart: this.isStarting,
      warmUp: null,
      version: this.version,
      generation: 0,
      member: null,
      starting: null,
      joining,
      removed: false,
      failureCount: 0,
      retryAtMs: 0,
      failure: null,
      trouble: null,
      change,
    };
  }
}

/** "1", "2", ... or "spare-1", ...: the lowest number that is free. */
export function lowestFree(taken: { has(name: string): boolean }, prefix = ''): string {
  let number = 1;
  while (taken.has(`${prefix}${number}`)) number++;
  return `${prefix}${number}`;
}
