// What the ring tests share: slots by number or name, and the owner of a key.

import { keyHashFor } from '../../src/ring/hash.ts';
import { CHOICES, type RingSlot, type Table } from '../../src/ring/table.ts';

/** Those of rows; the circles of other balancers are held against the programs themselves (peers.test.ts). */
export const ALGORITHMS = ['rendezvous', 'ring', 'maglev', 'assignment', 'seed'] as const;
export const CIRCLES = ['nginx', 'haproxy', 'haproxy-addr-port', 'ketama'] as const;

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
