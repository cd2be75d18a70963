// The key hashes that A-4 compares, each over text as torc's own are (KeyHash: text, start, end -> int32). Two are torc's,
// one is the assignment's polynomial, one is the seed's md5; FNV-1a and xxHash32 are written here, for comparison only:
// FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv) takes a byte a step, xxHash32 (Yann Collet, xxhash_spec.md) sixteen.
// Both read a character as one byte, which for ids and paths is what their published vectors do.

import { assignmentHash, murmurHash } from '../../src/ring/hash.ts';
import { md5LastWord } from '../../src/ring/md5.ts';
import type { KeyHash } from '../../src/ring/table.ts';

const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

export function fnv1a(text: string, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let index = start; index < end; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

/** xxHash32 with seed 0. */
export function xxHash32(text: string, start: number, end: number): number {
  let index = start;
  let hash = P5 | 0;
  if (end - start >= 16) {
    let a = (P1 + P2) | 0;
    let b = P2 | 0;
    let c = 0;
    let d = -P1 | 0;
    for (; index + 16 <= end; index += 16) {
      a = round(a, word(text, index));
      b = round(b, word(text, index + 4));
      c = round(c, word(text, index + 8));
      d = round(d, word(text, index + 12));
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  }
  hash = (hash + end - start) | 0;
  for (; index + 4 <= end; index += 4)
    hash = Math.imul(rotate((hash + Math.imul(word(text, index), P3)) | 0, 17), P4);
  for (; index < end; index++)
    hash = Math.imul(rotate((hash + Math.imul(text.charCodeAt(index) & 0xff, P5)) | 0, 11), P1);
  hash = Math.imul(hash ^ (hash >>> 15), P2);
  hash = Math.imul(hash ^ (hash >>> 13), P3);
  return hash ^ (hash >>> 16);
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

const round = (lane: number, input: number): number =>
  Math.imul(rotate((lane + Math.imul(input, P2)) | 0, 13), P1);

/** Four characters as a little-endian word. */
const word = (text: string, index: number): number =>
  (text.charCodeAt(index) & 0xff) |
  ((text.charCodeAt(index + 1) & 0xff) << 8) |
  ((text.charCodeAt(index + 2) & 0xff) << 16) |
  (text.charCodeAt(index + 3) << 24);

export type HashName = 'assignment H' | 'FNV-1a' | 'xxHash32' | 'md5' | 'Murmur3';

export const HASHES: Readonly<Record<HashName, KeyHash>> = {
  'assignment H': assignmentHash,
  'FNV-1a': fnv1a,
  xxHash32,
  md5: md5LastWord,
  Murmur3: murmurHash,
};

export const HASH_NAMES = Object.keys(HASHES) as HashName[];
