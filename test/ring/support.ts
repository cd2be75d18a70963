// What the ring tests share: slots by number or name, and the owner of a key.

import type { RingAlgorithm } from '../../src/core/types.ts';
import { keyHashFor } from '../../src/ring/hash.ts';
import { CHOICES, type RingSlot, type Table } from '../../src/ring/table.ts';

export const ALGORITHMS: readonly RingAlgorithm[] = ['rendezvous', 'ring', 'maglev', 'assignment', 'seed'];

export const named = (names: readonly string[]): RingSlot[] => names.map((name, id) => ({ id, name }));
export const numbered = (count: number): RingSlot[] =>
  named(Array.from({ length: count }, (_, i) => String(i + 1)));

export const rowChoices = (table: Table, row: number): number[] => [
  ...table.choices.subarray(row * CHOICES, (row + 1) * CHOICES),
];

/** Requests "1".."count" per slot, slot ids 0..slots-1. */
export function requestsPerSlot(table: Table, slots: number, count: number): number[] {
  const keyHash = keyHashFor(table.algorithm);
  const counts = new Array<number>(slots).fill(0);
  for (let id = 1; id <= count; id++) {
    const key = String(id);
    counts[table.choices[(keyHash(key, 0, key.length) & table.mask) * CHOICES]!]!++;
  }
  return counts;
}
