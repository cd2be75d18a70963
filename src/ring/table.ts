// The one hot structure that every ring algorithm fills: a power-of-two table of rows, each row the first K = 3
// distinct slots for the keys that fall on it, in order of preference. Lookup is `hash & mask` and a read.
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
}

/** What builders know of a slot: its name is hashed, its id is written. */
export interface RingSlot {
  readonly id: number;
  readonly name: string;
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

export function makeTable(algorithm: RingAlgorithm, choices: Uint16Array): Table {
  const rows = choices.length / CHOICES;
  return { algorithm, rows, mask: rows - 1, choices };
}
