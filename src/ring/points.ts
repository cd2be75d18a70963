// What the clockwise rings share. A circle is a list of points in order, each owned by a slot; whoever stands at a
// place belongs to the first point at or after it, and prefers, next, the other slots in the order in which they come
// up clockwise (the next slot, not the next point, which may be the same slot again).

import { CHOICES, NONE } from './table.ts';

/** Writes the first `distinct` slots found clockwise from point `start` into row `row`, NONE after them. */
export function writeClockwise(
  choices: Uint16Array,
  row: number,
  owners: Uint16Array,
  start: number,
  distinct: number,
): void {
  const first = row * CHOICES;
  let found = 0;
  // `distinct` slots have points, so the walk ends within one turn.
  for (let step = 0; step < owners.length && found < distinct; step++) {
    const id = owners[(start + step) % owners.length]!;
    let index = first;
    while (index < first + found && choices[index] !== id) index++;
    if (index < first + found) continue;
    choices[index] = id;
    found++;
  }
  choices.fill(NONE, first + found, first + CHOICES);
}

/** The table of a small circle of one place per row (assignment, seed): `places` holds a slot id or NONE. */
export function clockwiseRows(places: Uint16Array, slotCount: number): Uint16Array {
  const choices = new Uint16Array(places.length * CHOICES).fill(NONE);
  const taken = Array.from(places.keys()).filter(place => places[place] !== NONE);
  const owners = Uint16Array.from(taken, place => places[place]!);
  if (owners.length === 0) return choices;
  let point = 0;
  for (let row = 0; row < places.length; row++) {
    while (point < taken.length && taken[point]! < row) point++;
    writeClockwise(choices, row, owners, point % taken.length, Math.min(slotCount, CHOICES));
  }
  return choices;
}
