// The one hot structure that every ring algorithm fills: a power-of-two table of rows, each row the first K = 3
// distinct slots for the keys that fall on it, in order of preference. Lookup is `hash & mask` and a read. The exact circles
// of other balancers have a row for each of their points, and a search for the row instead.
//
//   row        choices (slot ids)          slots 1, 2, 3 have the ids 0, 1, 2
//   0        [ 2 | 0 | 1 ]
//   1        [ 0 | 1 | 2 ]                 NONE (65535) fills what a table of fewer than 3 slots cannot
//   ...      ...
//   rows-1   [ 1 | 2 | 0 ]
//
// Ids are small and stable while a slot lives, so that adding or removing one slot leaves all other ids alone.

import type { RingAlgorithm } from '../core/types.ts';

/** Choices per row. Three: the owner, its stand-in, and one more for when both are out (GLB director uses two). */
export const CHOICES = 3;
/** In place of a slot id: no such choice. */
export const NONE = 0xffff;

export interface Table {
  readonly algorithm: RingAlgorithm;
  readonly rows: number;
  readonly mask: number;
  /** rows x CHOICES slot ids. */
  readonly choices: Uint16Array;
  /** Where each row stands on the circle of another balancer (circle.ts), in order; null where `hash & mask` is the row. */
  readonly points: Uint32Array | null;
  /** A key belongs to the nearest point instead of the first one at or after it. */
  readonly nearest: boolean;
}

/** What builders know of a slot: its name is hashed, its id is written. */
export interface RingSlot {
  readonly id: number;
  readonly name: string;
  /**
   * 1 where it is not said; whole on the circles of other balancers. The two historical rings know no weights. A slot of 0 has
   * its place in the table as one of 1 has: whoever picks passes it over, so no key moves but its own.
   */
  readonly weight?: number;
  /** Its id in HAProxy's configuration. */
  readonly serverId?: number | null;
}

/** Hashes `text[start, end)` to 32 bits, as an int32, in place: no slice, no allocation (hash.ts says why not uint32). */
export type KeyHash = (text: string, start: number, end: number) => number;

/**
 * The one order of slots, wherever an order decides (ties, turns, probing): shorter names first, then by code unit, so
 * that "2" comes before "10". Never the order of arrival: a table depends on the set of slots alone.
 */
export function byName(a: RingSlot, b: RingSlot): number {
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}

export function makeTable(
  algorithm: RingAlgorithm,
  choices: Uint16Array,
  points: Uint32Array | null = null,
): Table {
  const rows = choices.length / CHOICES;
  return { algorithm, rows, mask: rows - 1, choices, points, nearest: isNearest(algorithm) };
}

const isNearest = (algorithm: RingAlgorithm): boolean => algorithm.startsWith('haproxy');

/** The row of a key's hash. A table without rows has none: 0. */
export function rowOf(table: Table, hash: number): number {
  const { points } = table;
  if (points === null) return hash & table.mask;
  const row = firstPoint(points, hash >>> 0);
  return table.nearest ? nearer(points, row, hash >>> 0) : row;
}

/** The first of the points that is not below `place`, a uint32; past the last one, the first of all. */
export function firstPoint(points: Uint32Array, place: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]! < place) low = middle + 1;
    else high = middle;
  }
  return low === points.length ? 0 : low;
}

function nearer(points: Uint32Array, next: number, place: number): number {
  const before = next === 0 ? Math.max(0, points.length - 1) : next - 1;
  return isNearerBefore(points[before]!, place, points[next]!) ? before : next;
}

/** Around the circle, and what is as far on both sides belongs to the one before. */
export const isNearerBefore = (before: number, place: number, next: number): boolean =>
  (place - before) >>> 0 <= (next - place) >>> 0;
