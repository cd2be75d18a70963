// The consistent hash that the Node peers are given: they have none of their own. Points of md5, looked up by bisection.

import { createHash } from 'node:crypto';

const POINTS = 160;
const hashOf = (text: string): number => createHash('md5').update(text).digest().readUInt32LE(0);

/** 32-bit FNV-1a; the peers' per-request hash should not cost more than torc's. */
function keyHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** key -> index of the replica that owns it. */
export function ringOf(count: number): (key: string) => number {
  const points = Array.from({ length: count * POINTS }, (_, i) => ({
    at: hashOf(`${i % count}-${i}`),
    owner: i % count,
  }));
  points.sort((a, b) => a.at - b.at);
  return key => {
    const hash = keyHash(key);
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle]!.at < hash) low = middle + 1;
      else high = middle;
    }
    return points[low === points.length ? 0 : low]!.owner;
  };
}
