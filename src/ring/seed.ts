// The ring of the project that torc grew from, to the letter, so that who moves from it keeps each key where it was:
// 1024 places, 100 points a slot at md5("NAME-V") mod 1024, requests at md5(key) mod 1024 (hash.ts), clockwise. Where a
// place is taken, point V looks on in steps of 2V + 1: odd, so it reaches every place. The order in which slots probe
// decides; here it is the order of names ("1", "2", ... "10"), as the seed started them.

import { seedHash } from './hash.ts';
import { clockwiseRows } from './points.ts';
import { byName, NONE, type RingSlot } from './table.ts';

export const SEED_ROWS = 1024;
export const SEED_POINTS = 100;

export function buildSeed(slots: readonly RingSlot[]): Uint16Array {
  const places = new Uint16Array(SEED_ROWS).fill(NONE);
  for (const slot of [...slots].sort(byName)) {
    for (let point = 0; point < SEED_POINTS; point++) {
      const text = `${slot.name}-${point}`;
      let place = seedHash(text, 0, text.length) & (SEED_ROWS - 1);
      // Ten slots have 1000 points: there is a free place.
      while (places[place] !== NONE) place = (place + 2 * point + 1) & (SEED_ROWS - 1);
      places[place] = slot.id;
    }
  }
  return clockwiseRows(places, slots.length);
}
