// How evenly a table spreads load: numbers beside each other, because one alone misleads. The mean is keys / slots
// whatever the ring does (so "average load" says nothing); max/mean is what the busiest slot must stand; the standard
// deviation and the percentiles tell one unlucky slot from a lopsided ring.

import { ownerAt, placeCount, placeHash } from '../ring/sample.ts';
import type { KeyHash, RingSlot, Table } from '../ring/table.ts';

export interface Balance {
  readonly slots: number;
  readonly total: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** 1 is perfect; 0 where there is no load at all. */
  readonly maxToMean: number;
  readonly stdev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** How many of the keys each slot owns, in the order of `slots`. */
export function keysPerSlot(
  table: Table,
  keyHash: KeyHash,
  slots: readonly RingSlot[],
  keys: Iterable<string>,
): number[] {
  const counts = new Map(slots.map(slot => [slot.id, 0]));
  for (const key of keys) count(counts, ownerAt(table, keyHash(key, 0, key.length)));
  return [...counts.values()];
}

/** How many places each slot owns (sample.ts), in the order of `slots`: the balance of endlessly many keys. */
export function placesPerSlot(table: Table, slots: readonly RingSlot[]): number[] {
  const counts = new Map(slots.map(slot => [slot.id, 0]));
  for (let place = 0; place < placeCount(table); place++)
    count(counts, ownerAt(table, placeHash(table, place)));
  return [...counts.values()];
}

function count(counts: Map<number, number>, owner: number): void {
  const before = counts.get(owner);
  if (before !== undefined) counts.set(owner, before + 1);
}

export function balanceOf(counts: readonly number[]): Balance {
  const sorted = [...counts].sort((a, b) => a - b);
  const slots = sorted.length;
  const total = sorted.reduce((sum, value) => sum + value, 0);
  const mean = slots === 0 ? 0 : total / slots;
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const max = sorted.at(-1) ?? 0;
  return {
    slots,
    total,
    mean,
    min: sorted[0] ?? 0,
    max,
    maxToMean: mean === 0 ? 0 : max / mean,
    stdev: slots === 0 ? 0 : Math.sqrt(squares / slots),
    p50: percentile(sorted, 50),
    p90: percentile(sorted, 90),
    p99: percentile(sorted, 99),
  };
}

/** Nearest rank: the least value that at least `percent` % of the values do not exceed. */
function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}
