// What a change of the slots costs: whose keys move, and how many more than they must. Counted over rows, each of which
// stands for an equal share of well-hashed keys. The optimum: where each slot has the share of its weight before and after,
// what the growing ones gain together must move, and nothing else; for one slot more or less that is the share of this slot.

import { setImmediate } from 'node:timers/promises';
import type { RingAlgorithm } from '../core/types.ts';
import { createTableBuilder, rowsOf, slotsFault } from '../ring/build.ts';
import { keyHashFor } from '../ring/hash.ts';
import { ownerAt, placeCount, placeHash } from '../ring/sample.ts';
import { type KeyHash, NONE, type RingSlot, type Table } from '../ring/table.ts';
import { type Balance, balanceOf, placesPerSlot } from './balance.ts';

/** A share of all keys that goes from one slot to another; null where a table is empty. */
export interface Move {
  readonly from: string | null;
  readonly to: string | null;
  readonly share: number;
}

export interface Remap {
  readonly moved: number;
  readonly optimum: number;
  /** The largest first. */
  readonly pairs: readonly Move[];
}

export interface Ring {
  readonly table: Table;
  readonly slots: readonly RingSlot[];
}

export interface WhatIf extends Remap {
  readonly before: Balance;
  readonly after: Balance;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Two rings of one algorithm. */
export function remapOf(before: Ring, after: Ring): Remap {
  const hashOf = (place: number): number => placeHash(before.table, place);
  return compare(before, after, placeCount(before.table), hashOf, hashOf);
}

function compare(
  before: Ring,
  after: Ring,
  places: number,
  hashBefore: (place: number) => number,
  hashAfter: (place: number) => number,
): Remap {
  const counts = new Map<number, number>();
  let moved = 0;
  const fromNames = namesById(before.slots);
  const toNames = namesById(after.slots);
  for (let place = 0; place < places; place++) {
    const from = ownerAt(before.table, hashBefore(place));
    const to = ownerAt(after.table, hashAfter(place));
    // Ids may be used again, so names say whether it is the same slot.
    if (fromNames[from] === toNames[to]) continue;
    moved++;
    const pair = from * (NONE + 1) + to;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const pairs = [...counts].map(([pair, count]) => ({
    from: fromNames[Math.floor(pair / (NONE + 1))] ?? null,
    to: toNames[pair % (NONE + 1)] ?? null,
    share: count / places,
  }));
  pairs.sort((a, b) => b.share - a.share);
  return { moved: moved / places, optimum: optimumOf(before.slots, after.slots), pairs };
}

/** Enough for a share's third digit. */
const SAMPLE_KEYS = 100_000;

/** The same slots placed by another algorithm, which hashes keys its own way: counted over keys, numbers from 0. */
export async function otherRing(
  slots: readonly RingSlot[],
  from: RingAlgorithm,
  to: RingAlgorithm,
  rows: number,
): Promise<WhatIf | string> {
  const fault = slotsFault(to, slots.length);
  if (fault !== null) return fault;
  const tableOf = (algorithm: RingAlgorithm): Promise<Table> =>
    growing(slots, algorithm, rows)(0, slots.length);
  const before: Ring = { table: await tableOf(from), slots };
  const after: Ring = { table: await tableOf(to), slots };
  const hashed = (hash: KeyHash) => (key: number) => hash(String(key), 0, String(key).length);
  const [hashBefore, hashAfter] = [hashed(keyHashFor(from)), hashed(keyHashFor(to))];
  return {
    ...compare(before, after, SAMPLE_KEYS, hashBefore, hashAfter),
    before: balanceOf(placesPerSlot(before.table, slots)),
    after: balanceOf(placesPerSlot(after.table, slots)),
    added: [],
    removed: [],
  };
}

/** The least share of keys that any balanced ring must move between two sets of slots. */
export function optimumOf(before: readonly RingSlot[], after: readonly RingSlot[]): number {
  return Math.max(gained(sharesOf(before), sharesOf(after)), gained(sharesOf(after), sharesOf(before)));
}

function gained(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [name, share] of after) sum += Math.max(0, share - (before.get(name) ?? 0));
  return sum;
}

function sharesOf(slots: readonly RingSlot[]): ReadonlyMap<string, number> {
  const all = slots.reduce((sum, { weight = 1 }) => sum + weight, 0);
  return new Map(slots.map(({ name, weight = 1 }) => [name, all === 0 ? 0 : weight / all]));
}

function namesById(slots: readonly RingSlot[]): string[] {
  const names: string[] = [];
  for (const slot of slots) names[slot.id] = slot.name;
  return names;
}

/** Row scores computed between two turns of the event loop: about 10 ms of a rendezvous build. */
const SCORES_PER_STEP = 2 ** 20;

/**
 * What N slots would mean, given the slots in order of age: more take the next free numbers, fewer leave from the
 * newest, as /add and /rm do. Built from the smaller set towards the larger (a table does not know its history), a
 * few slots at a time with the event loop let through between, because 1000 slots take half a second in all.
 * A count that the ring cannot hold gives the reason, in plain words, instead.
 */
export async function whatIf(
  slots: readonly RingSlot[],
  count: number,
  algorithm: RingAlgorithm,
  rows: number,
): Promise<WhatIf | string> {
  const fault = slotsFault(algorithm, count);
  if (fault !== null) return fault;
  const larger = slots.length >= count ? slots : [...slots, ...nextFree(slots, count - slots.length)];
  const smaller = larger.slice(0, Math.min(slots.length, count));
  const grow = growing(larger, algorithm, rows);
  const small: Ring = { table: await grow(0, smaller.length), slots: smaller };
  const large: Ring = { table: await grow(smaller.length, larger.length), slots: larger };
  const [before, after] = slots.length >= count ? [large, small] : [small, large];
  const changed = larger.slice(smaller.length).map(slot => slot.name);
  return {
    ...remapOf(before, after),
    before: balanceOf(placesPerSlot(before.table, before.slots)),
    after: balanceOf(placesPerSlot(after.table, after.slots)),
    added: after === large ? changed : [],
    removed: after === small ? changed : [],
  };
}

/** Tables of the first so many slots, built a few slots at a time. */
function growing(slots: readonly RingSlot[], algorithm: RingAlgorithm, rows: number) {
  const builder = createTableBuilder(algorithm, rows);
  const perStep = Math.max(1, Math.floor(SCORES_PER_STEP / rowsOf(algorithm, rows)));
  // Only rendezvous builds on what it has; the others start anew each time and take one step.
  const step = algorithm === 'rendezvous' ? perStep : Number.POSITIVE_INFINITY;
  return async (from: number, to: number): Promise<Table> => {
    for (let size = from + step; size < to; size += step) {
      builder.update(slots.slice(0, size));
      await setImmediate();
    }
    const table = builder.update(slots.slice(0, to));
    await setImmediate();
    return table;
  };
}

/** The slots that /add would make next: the lowest numbers and ids that are free. */
function nextFree(slots: readonly RingSlot[], count: number): RingSlot[] {
  const names = new Set(slots.map(slot => slot.name));
  const ids = new Set(slots.map(slot => slot.id));
  const made: RingSlot[] = [];
  for (let name = 1, id = 0; made.length < count; made.push({ id: id++, name: String(name++) })) {
    while (names.has(String(name))) name++;
    while (ids.has(id)) id++;
  }
  return made;
}
