// Google's Maglev (NSDI 2016, section 3.4): each slot has a preference list of rows, a permutation `offset + j x skip`;
// the slots take turns, in the order of names, and each takes the first row of its list that is still free. So all slots
// own the same number of rows, give or take one, at the price of moving more keys than needed when the set changes.
// The paper's table size is prime, so that any skip visits all rows; ours is a power of two, so that a lookup is a mask,
// and there any odd skip does (balance and movement measured: docs/decisions/0002-default-ring.md).
// The paper has one choice a row. The second and third here: the owners of the rows that follow, the first two that
// differ, which are as good as random since neighbouring rows have unrelated owners.
// A slot of half the weight takes every second turn.

import { avalanche, murmurHash } from './hash.ts';
import { writeClockwise } from './points.ts';
import { byName, CHOICES, NONE, type RingSlot } from './table.ts';

/** A slot's preference list, as its first row and its odd step. */
export function preferenceOf(slot: RingSlot): { readonly offset: number; readonly skip: number } {
  const offset = murmurHash(slot.name, 0, slot.name.length);
  return { offset, skip: avalanche(offset ^ 0x9e3779b1) | 1 };
}

export function buildMaglev(slots: readonly RingSlot[], rows: number): Uint16Array {
  const choices = new Uint16Array(rows * CHOICES).fill(NONE);
  if (slots.length === 0) return choices;
  const owners = ownersOf([...slots].sort(byName), rows);
  const distinct = Math.min(slots.length, CHOICES);
  for (let row = 0; row < rows; row++) writeClockwise(choices, row, owners, row, distinct);
  return choices;
}

/** Whose turn it is behind another one's: the heaviest each round, the others as often as their share of its weight says. */
function turnsOf(sorted: readonly RingSlot[]): (turn: number) => number {
  const weights = sorted.map(({ weight = 1 }) => weight);
  const most = Math.max(...weights);
  const credits = new Float64Array(weights.length);
  return turn => {
    for (let next = turn + 1; ; next++) {
      const index = next % weights.length;
      credits[index]! += weights[index]!;
      if (credits[index]! < most) continue;
      credits[index]! -= most;
      return index;
    }
  };
}

function ownersOf(sorted: readonly RingSlot[], rows: number): Uint16Array {
  const owners = new Uint16Array(rows).fill(NONE);
  const preferences = sorted.map(preferenceOf);
  const next = Int32Array.from(preferences, preference => preference.offset);
  const nextTurn = turnsOf(sorted);
  let turn = -1;
  for (let filled = 0; filled < rows; filled++) {
    turn = nextTurn(turn);
    const { skip } = preferences[turn]!;
    let row = next[turn]! & (rows - 1);
    // A row is free and the walk visits them all, so it ends.
    while (owners[row] !== NONE) row = (row + skip) & (rows - 1);
    owners[row] = sorted[turn]!.id;
    next[turn] = row + skip;
  }
  return owners;
}
