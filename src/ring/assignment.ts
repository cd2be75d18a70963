// The ring of the assignment "Implementing a Customizable Load Balancer", to the letter: 512 places, 9 virtual servers
// a slot at Phi(i, j) = i^2 + j^2 + 2j + 25 mod 512, linear probing where a place is taken, requests at H(i) (hash.ts)
// to the nearest virtual server clockwise. Its two polynomials cluster: H reaches 87 places, and at N = 3 one slot
// gets 84 % of the requests. It is here to be compared with.
// i is the slot's number: its name if that is a decimal, else the name's hash. Two slots may have the same number (any
// two that are equal mod 512 do, in effect); probing keeps them apart, and the order of names decides who probes first.

import { numberOf } from './hash.ts';
import { clockwiseRows } from './points.ts';
import { byName, NONE, type RingSlot } from './table.ts';

export const ASSIGNMENT_ROWS = 512;
export const VIRTUAL_SERVERS = 9;

export function buildAssignment(slots: readonly RingSlot[]): Uint16Array {
  const places = new Uint16Array(ASSIGNMENT_ROWS).fill(NONE);
  for (const slot of [...slots].sort(byName)) {
    const number = numberOf(slot.name, 0, slot.name.length);
    for (let virtual = 0; virtual < VIRTUAL_SERVERS; virtual++) {
      let place = (Math.imul(number, number) + virtual * virtual + 2 * virtual + 25) & (ASSIGNMENT_ROWS - 1);
      // 56 slots have 504 virtual servers: there is a free place.
      while (places[place] !== NONE) place = (place + 1) & (ASSIGNMENT_ROWS - 1);
      places[place] = slot.id;
    }
  }
  return clockwiseRows(places, slots.length);
}
