// A clockwise circle with its three parts exchangeable, for A-4: how many places it has, how many points a slot puts on
// it, and which Phi places them. With 512 places, 9 points and the assignment's Phi it is the assignment's ring, with
// other parts everything that A-4 asks to try. torc's own `ring` is not built this way: its circle has 2^32 places, so
// two points nearly never meet; here a taken place is probed past, as the assignment wants.

import { invariant } from '../../src/core/invariant.ts';
import { clockwiseRows } from '../../src/ring/points.ts';
import { byName, type KeyHash, makeTable, NONE, type RingSlot, type Table } from '../../src/ring/table.ts';

/** Where a slot's point goes, before the modulus. */
export type PointHash = (slot: RingSlot, point: number) => number;

/** Phi(i, j) = i^2 + j^2 + 2j + 25 of the assignment. */
export const assignmentPhi: PointHash = (slot, point) =>
  (Number(slot.name) ** 2 + point ** 2 + 2 * point + 25) | 0;

/** Phi by a hash of the text "NAME-POINT". */
export const hashedPhi =
  (hash: KeyHash): PointHash =>
  (slot, point) => {
    const text = `${slot.name}-${point}`;
    return hash(text, 0, text.length);
  };

export function circleTable(
  slots: readonly RingSlot[],
  places: number,
  points: number,
  phi: PointHash,
): Table {
  invariant(
    slots.length * points <= places,
    `${slots.length} x ${points} points do not fit ${places} places`,
  );
  const owners = new Uint16Array(places).fill(NONE);
  for (const slot of [...slots].sort(byName)) {
    for (let point = 0; point < points; point++) {
      let place = phi(slot, point) & (places - 1);
      // There is a free place, so the walk ends.
      while (owners[place] !== NONE) place = (place + 1) & (places - 1);
      owners[place] = slot.id;
    }
  }
  return makeTable('ring', clockwiseRows(owners, slots.length));
}
