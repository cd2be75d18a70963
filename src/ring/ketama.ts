// The placement of libmemcached's weighted ketama, which many memcached clients follow: a circle with some 160 points for
// each server at equal weights, four from the MD5 of `host:port-index` (`host-index` at memcached's own port), and the first
// four bytes of the key's MD5 belong to the first point at or after them. How many points a server has depends on how
// many servers there are: a share of the sum of weights, in 32-bit floats, rounded down to a multiple of four.
// Source: libmemcached's hosts.cc; checked against the library (docs/migrating.md, which also says who differs).

import { type Circle, circleOf } from './circle.ts';
import { md5Words } from './md5.ts';
import type { RingSlot } from './table.ts';

const POINTS_PER_SERVER = 160;
const POINTS_PER_HASH = 4;
const MEMCACHED_PORT = ':11211';

export function buildKetama(slots: readonly RingSlot[]): Circle {
  const total = slots.reduce((sum, { weight = 1 }) => sum + weight, 0);
  return circleOf(
    slots,
    ({ name, weight = 1 }) => pointsOf(name, hashCount(weight, total, slots.length)),
    'all',
  );
}

/** In floats of C: at three servers of equal weight 1/3 of it is 39.99..., or 40 after the rounding of a float. */
function hashCount(weight: number, total: number, servers: number): number {
  const share = Math.fround(Math.fround(weight) / Math.fround(total));
  const quarter = Math.fround(Math.fround(share * POINTS_PER_SERVER) / POINTS_PER_HASH);
  return Math.floor(Math.fround(Math.fround(quarter * servers) + Math.fround(0.0000000001)));
}

function pointsOf(name: string, hashes: number): number[] {
  const host = name.endsWith(MEMCACHED_PORT) ? name.slice(0, -MEMCACHED_PORT.length) : name;
  const points: number[] = [];
  for (let index = 0; index < hashes; index++) points.push(...md5Words(`${host}-${index}`));
  return points;
}
