// The placement of nginx's (and Tengine's) `hash KEY consistent`: a circle of 160 points for each unit of weight, each the
// CRC-32 of host, a zero byte, port and the point before it, and the key's CRC-32 belongs to the first point at or after
// it. What is hashed is the server as it is written in the configuration: `10.0.0.1` and `10.0.0.1:80` are two places.
// Of equal points the first stays. nginx gives up on the circle after 21 points and goes on by turns; here the walk goes on.
// Source: ngx_http_upstream_hash_module.c, after Cache::Memcached::Fast; checked against the program (docs/migrating.md).

import { type Circle, circleOf } from './circle.ts';
import { crc32Step } from './crc32.ts';
import type { RingSlot } from './table.ts';

const POINTS_PER_WEIGHT = 160;

export function buildNginx(slots: readonly RingSlot[]): Circle {
  return circleOf(
    slots,
    ({ name, weight = 1 }) => pointsOf(name, weight * POINTS_PER_WEIGHT),
    'first of equals',
  );
}

function pointsOf(name: string, count: number): number[] {
  const { host, port } = partsOf(name);
  let base = -1;
  for (const byte of Buffer.from(`${host}\0${port}`)) base = crc32Step(base, byte);
  const points: number[] = [];
  let before = 0;
  for (let index = 0; index < count; index++) {
    let register = base;
    for (let shift = 0; shift < 32; shift += 8) register = crc32Step(register, (before >>> shift) & 0xff);
    before = ~register >>> 0;
    points.push(before);
  }
  return points;
}

/** A port is what follows the last colon, if that is digits alone (or nothing); a unix socket has none. */
function partsOf(name: string): { host: string; port: string } {
  if (/^unix:/i.test(name)) return { host: name.slice(5), port: '' };
  const match = /^(.*):([0-9]*)$/s.exec(name);
  return match === null ? { host: name, port: '' } : { host: match[1]!, port: match[2]! };
}
