// The classic ring (Karger 1997, ketama): 160 points a slot (and unit of its weight) on a circle of 2^32, as nginx and Pingora have it. The
// number of points is constant, never scaled by the number of slots: Envoy's issue 22558 shows how scaling moves keys
// of slots that did not change. Rows are sampled from the circle at equal steps: row r stands for the single point
// r x 2^32 / rows, and belongs to the first slot point at or after it, wrapping. Points of equal hash are taken in the
// order of names.

import { avalanche, murmurHash } from './hash.ts';
import { writeClockwise } from './points.ts';
import { byName, CHOICES, NONE, type RingSlot } from './table.ts';

export const POINTS_PER_SLOT = 160;

/** The uint32 of a slot's point on the circle. */
export function pointOf(slot: RingSlot, point: number): number {
  const text = `${slot.name}-${point}`;
  return avalanche(murmurHash(text, 0, text.length)) >>> 0;
}

const pointCount = ({ weight = 1 }: RingSlot): number => Math.max(1, Math.round(weight * POINTS_PER_SLOT));

export function buildRing(slots: readonly RingSlot[], rows: number): Uint16Array {
  const choices = new Uint16Array(rows * CHOICES).fill(NONE);
  if (slots.length === 0) return choices;
  const sorted = [...slots].sort(byName);
  // Hash and rank in one double (32 + 16 bits), so that the sort is numeric and ties are in the order of names.
  const points = new Float64Array(sorted.reduce((sum, slot) => sum + pointCount(slot), 0));
  let filled = 0;
  sorted.forEach((slot, rank) => {
    for (let point = 0; point < pointCount(slot); point++)
      points[filled++] = pointOf(slot, point) * 65536 + rank;
  });
  points.sort();
  const owners = Uint16Array.from(points, point => sorted[point % 65536]!.id);
  const step = 2 ** 32 / rows;
  const distinct = Math.min(slots.length, CHOICES);
  let next = 0;
  for (let row = 0; row < rows; row++) {
    while (next < points.length && points[next]! < row * step * 65536) next++;
    writeClockwise(choices, row, owners, next % points.length, distinct);
  }
  return choices;
}
