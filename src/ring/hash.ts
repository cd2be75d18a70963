// Hot: runs per request; allocates nothing, slices nothing, every loop is bounded by the key.
// Key -> 32 bits, over the characters where they stand in the request's text. The default is MurmurHash3_x86_32 (Austin
// Appleby, public domain) over UTF-16 code units, two a step, so every bit of every character counts; its finalizer
// matters, because the table reads the low bits and most keys are counters that differ in the last digit alone.
// FNV-1a with the same finalizer balances and costs the same (28 ns for a 6-digit id, 110 ns for a 35-character path,
// Node 26, 2026-11-22); Murmur3 has published vectors to be checked against. Bare FNV-1a clusters counters by half.
// The result is an int32, not a uint32: V8 puts what is above 2^31 on the heap, 16 bytes for every second key (measured).
// Nothing is secret here: a client who wants one replica can send it one key anyway, so no hash is keyed.

import type { RingAlgorithm } from '../core/types.ts';
import { crc32 } from './crc32.ts';
import { haproxyHash } from './haproxy.ts';
import { md5FirstWord, md5LastWord } from './md5.ts';
import type { KeyHash } from './table.ts';

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

/** MurmurHash3's finalizer: each bit of the input flips each bit of the output about half of the time. */
export function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The default: MurmurHash3_x86_32, seed 0, of the UTF-16LE bytes of `text[start, end)`. */
export function murmurHash(text: string, start: number, end: number): number {
  let hash = 0;
  let index = start;
  for (; index + 1 < end; index += 2) {
    const pair = Math.imul(text.charCodeAt(index) | (text.charCodeAt(index + 1) << 16), C1);
    hash ^= Math.imul((pair << 15) | (pair >>> 17), C2);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (index < end) {
    const last = Math.imul(text.charCodeAt(index), C1);
    hash ^= Math.imul((last << 15) | (last >>> 17), C2);
  }
  return avalanche(hash ^ ((end - start) << 1));
}

/** A decimal's value mod 2^32, so that all arithmetic mod 512 on it is exact for any length; other text's murmurHash. */
export function numberOf(text: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return murmurHash(text, start, end);
    value = (Math.imul(value, 10) + digit) | 0;
  }
  return start === end ? murmurHash(text, start, end) : value;
}

/** The assignment's H(i) = i^2 + 2i + 17 of a request's number; it reaches 87 of the 512 rows. */
export function assignmentHash(text: string, start: number, end: number): number {
  const number = numberOf(text, start, end);
  return (Math.imul(number, number) + 2 * number + 17) | 0;
}

/** The seed project's md5(text) mod 1024: the low bits of the digest read as one big-endian number. */
export const seedHash: KeyHash = md5LastWord;

export function keyHashFor(algorithm: RingAlgorithm): KeyHash {
  switch (algorithm) {
    case 'assignment':
      return assignmentHash;
    case 'seed':
      return seedHash;
    case 'nginx':
      return crc32;
    case 'haproxy':
    case 'haproxy-addr-port':
      return haproxyHash;
    case 'ketama':
      return md5FirstWord;
    default:
      return murmurHash;
  }
}
