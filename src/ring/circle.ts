// The points of other balancers' circles, exactly. A table of rows (table.ts) rounds a circle: each row stands for one place
// of it. That is as good for a new ring, but who comes from another balancer wants each key where it was, so here every
// point is a row of its own, and a key's row is found by a search for the point (table.ts, rowOf).

import { writeClockwise } from './points.ts';
import { byName, CHOICES, NONE, type RingSlot } from './table.ts';

export interface Circle {
  /** In order. */
  readonly points: Uint32Array;
  /** A row for each point: its owner and who follows clockwise. */
  readonly choices: Uint16Array;
}

/**
 * The circle of all slots' points (uint32). Equal points are in the order of a configuration where the slots know their
 * place in one, else of names: never of the ids that a torc's own history gave them. `first of equals` drops all but the first.
 */
export function circleOf(
  slots: readonly RingSlot[],
  pointsOf: (slot: RingSlot) => readonly number[],
  equals: 'all' | 'first of equals',
): Circle {
  const ordered = [...slots].sort(byPlace);
  // Point and owner's rank in one double (32 + 16 bits), so that the sort is numeric.
  const all = Float64Array.from(
    ordered.flatMap((slot, rank) => pointsOf(slot).map(point => point * 65536 + rank)),
  ).sort();
  const pointOf = (value: number): number => Math.floor(value / 65536);
  const kept =
    equals === 'all'
      ? all
      : all.filter((value, index) => index === 0 || pointOf(value) !== pointOf(all[index - 1]!));
  const owners = Uint16Array.from(kept, value => ordered[value % 65536]!.id);
  const choices = new Uint16Array(owners.length * CHOICES).fill(NONE);
  const distinct = Math.min(new Set(owners).size, CHOICES);
  for (let row = 0; row < owners.length; row++) writeClockwise(choices, row, owners, row, distinct);
  return { points: Uint32Array.from(kept, pointOf), choices };
}

function byPlace(a: RingSlot, b: RingSlot): number {
  const placeOf = ({ serverId }: RingSlot): number => serverId ?? Number.MAX_SAFE_INTEGER;
  return placeOf(a) - placeOf(b) || byName(a, b);
}
