// The placement of HAProxy's `hash-type consistent`: 16 points for each unit of weight, made of a server's number, and a key
// belongs to the nearest point, on whichever side it is. A server that is down has no points, so what is nearest then is
// looked for among the others; whoever is skipped for another reason gives way to the next one clockwise (table.ts).
// `hash-key id` (the default) makes the points of the server's id; `addr-port` of its IPv4 address and port.
// The key's hash is HAProxy's default function for it, sdbm, and its avalanche.
// Source: lb_chash.c, backend.c, intops.h; checked against the program (docs/migrating.md).

import { isIPv4 } from 'node:net';
import { type Circle, circleOf } from './circle.ts';
import { crc32 } from './crc32.ts';
import { byName, type RingSlot } from './table.ts';

const POINTS_PER_WEIGHT = 16;
/** The most points that one server may have: ids are that far apart. */
const POINTS_PER_ID = 256 * 16;
/** Ids that are equal by this have the same points. */
const DISTINCT_IDS = 2 ** 32 / POINTS_PER_ID;

/** By id. */
export function buildHaproxy(slots: readonly RingSlot[]): Circle {
  const idOf = idsOf(slots);
  return circleOf(slots, slot => pointsOf(idOf(slot) * POINTS_PER_ID, slot.weight), 'all');
}

/** By address and port, which two HAProxys with other orders of servers have in common. */
export function buildHaproxyByAddress(slots: readonly RingSlot[]): Circle {
  const idOf = idsOf(slots);
  return circleOf(slots, slot => pointsOf(addressKey(slot, idOf), slot.weight), 'all');
}

/**
 * What a slot says or has by its place in a list, else the number that it is called, else one made of its name: two torcs
 * whose slots came in another order give the same.
 */
function idsOf(slots: readonly RingSlot[]): (slot: RingSlot) => number {
  const ids = new Map<RingSlot, number>();
  for (const slot of slots) {
    const { name, serverId } = slot;
    if (serverId != null) ids.set(slot, serverId);
    else if (/^[1-9][0-9]{0,8}$/.test(name)) ids.set(slot, Number(name));
  }
  const taken = new Set([...ids.values()].map(id => id % DISTINCT_IDS));
  for (const slot of slots.filter(each => !ids.has(each)).sort(byName)) {
    let id = (crc32(slot.name, 0, slot.name.length) >>> 0) % DISTINCT_IDS;
    while (taken.has(id)) id = (id + 1) % DISTINCT_IDS;
    taken.add(id);
    ids.set(slot, id);
  }
  return slot => ids.get(slot)!;
}

function pointsOf(base: number, weight = 1): number[] {
  return Array.from({ length: weight * POINTS_PER_WEIGHT }, (_, index) => fullHash(base + index) >>> 0);
}

/** A server whose address is not known is placed by its id, as there. */
function addressKey(slot: RingSlot, idOf: (slot: RingSlot) => number): number {
  const match = /^(.*):([0-9]+)$/.exec(slot.name);
  if (match === null || !isIPv4(match[1]!)) return idOf(slot) * POINTS_PER_ID;
  const [a, b, c, d] = match[1]!.split('.').map(Number) as [number, number, number, number];
  // The address as it lies in memory, read by a little-endian machine.
  return fullHash(fullHash(Number(match[2])) + (a | (b << 8) | (c << 16) | (d << 24)));
}

/** Bob Jenkins' integer hash, and a multiplication by a prime. */
function fullHash(value: number): number {
  let a = value | 0;
  a = (a + 0x7ed55d16 + (a << 12)) | 0;
  a = a ^ 0xc761c23c ^ (a >>> 19);
  a = (a + 0x165667b1 + (a << 5)) | 0;
  a = (a + 0xd3a2646c) ^ (a << 9);
  a = (a + 0xfd7046c5 + (a << 3)) | 0;
  a = a ^ 0xb55a4f09 ^ (a >>> 16);
  return Math.imul(a, 3221225473);
}

/** The key's hash, hot: allocates nothing. One character is one byte. */
export function haproxyHash(text: string, start: number, end: number): number {
  let hash = 0;
  for (let index = start; index < end; index++)
    hash = (text.charCodeAt(index) + (hash << 6) + (hash << 16) - hash) | 0;
  return fullHash(hash);
}
