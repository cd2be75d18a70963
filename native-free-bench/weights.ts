// Whose keys move when a weight changes, or a slot of some weight comes or goes, beside the least that any ring must move whose slots
// have the shares of their weights: torc's own rings and those of other balancers, each over 20 sets of names. Deterministic,
// no clock in it; docs/migrating.md stands on it.

import { remapOf } from '../src/analysis/remap.ts';
import type { RingAlgorithm } from '../src/core/types.ts';
import { createTableBuilder } from '../src/ring/build.ts';
import type { RingSlot } from '../src/ring/table.ts';
import type { BenchOptions } from './harness/rounds.ts';

const RINGS: readonly RingAlgorithm[] = ['rendezvous', 'ring', 'maglev', 'nginx', 'haproxy', 'ketama'];
const ROWS = 65_536;
const FULL = { sets: 20, most: 20 };
const SHORT = { sets: 3, most: 5 };

/** Weights before and after, the changed slot first; null: it is not there. */
const CHANGES: readonly (readonly [string, number | null, number | null])[] = [
  ['1 to 2', 1, 2],
  ['2 to 1', 2, 1],
  ['4 to 5', 4, 5],
  ['a 1 comes', null, 1],
  ['a 3 goes', 3, null],
];

export async function weights({ full, only, progress }: BenchOptions): Promise<object[]> {
  const { sets, most } = full ? FULL : SHORT;
  const rows: object[] = [];
  for (const n of new Set([5, most]))
    for (const ring of RINGS) {
      if (only.length > 0 && !only.includes(ring)) continue;
      progress(`${ring}, N = ${n}`);
      for (const [change, from, to] of CHANGES) {
        let moved = 0;
        let optimum = 0;
        for (let set = 0; set < sets; set++) {
          const [before, after] = [from, to].map(weight => slotsOf(n, weight, set));
          const builder = createTableBuilder(ring, ROWS);
          const remap = remapOf(
            { table: builder.update(before!), slots: before! },
            { table: builder.update(after!), slots: after! },
          );
          moved += remap.moved / sets;
          optimum += remap.optimum / sets;
        }
        rows.push({ N: n, ring, change, 'moved, %': percent(moved), 'least, %': percent(optimum) });
      }
    }
  return rows;
}

const percent = (share: number): number => Number((100 * share).toFixed(2));

/** `n` slots of weights 1 to 5, the first of them of `weight` or not there. */
function slotsOf(n: number, weight: number | null, set: number): RingSlot[] {
  const others = Array.from({ length: n }, (_, id) => ({
    id,
    name: `10.0.${set}.${id + 1}:80`,
    weight: id === 0 ? weight : 1 + ((id * 7 + 3) % 5),
    serverId: id + 1,
  }));
  return others.flatMap(slot => (slot.weight === null ? [] : [{ ...slot, weight: slot.weight }]));
}
