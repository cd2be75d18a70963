// The hashes against independent ones: Murmur3's published vectors and a byte-wise reference, node's MD5, BigInt.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assignmentHash, keyHashFor, murmurHash, numberOf, seedHash } from '../../src/ring/hash.ts';

const hash = suite('ring/hash');
const anyText = fc.string({ unit: 'binary', maxLength: 300 });

/** MurmurHash3_x86_32 as Appleby wrote it, over bytes: slow and obvious. */
function murmur3(bytes: Uint8Array, seed = 0): number {
  const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  const scramble = (word: number): number => Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  let h = seed;
  const whole = bytes.length - (bytes.length % 4);
  for (let i = 0; i < whole; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    h = (Math.imul(rotate(h ^ scramble(word), 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | bytes[i]!;
  if (whole < bytes.length) h ^= scramble(tail);
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

hash('the reference gives the published vectors of MurmurHash3_x86_32', () => {
  const of = (text: string): number => murmur3(Buffer.from(text));
  assert.is(of(''), 0);
  assert.is(of('test'), 0xba6bd213);
  assert.is(of('Hello, world!'), 0xc0363e43);
  assert.is(of('The quick brown fox jumps over the lazy dog'), 0x2e4ff723);
});

hash('the default is MurmurHash3 of the UTF-16LE bytes, for any text', () => {
  fc.assert(
    fc.property(anyText, text => {
      assert.is(murmurHash(text, 0, text.length) >>> 0, murmur3(Buffer.from(text, 'utf16le')));
    }),
  );
});

hash('every hash reads start to end, and nothing around', () => {
  for (const keyHash of [murmurHash, assignmentHash, seedHash]) {
    fc.assert(
      fc.property(anyText, fc.oneof(fc.nat().map(String), anyText), anyText, (before, key, after) => {
        // A surrogate pair that the cut splits is another text to UTF-8; keys are cut at ASCII.
        const text = `${before}/${key}/${after}`;
        const start = before.length + 1;
        assert.is(keyHash(text, start, start + key.length), keyHash(key, 0, key.length));
      }),
    );
  }
});

hash('every hash is an int32', () => {
  for (const keyHash of [murmurHash, assignmentHash, seedHash]) {
    for (let id = 0; id < 1000; id++) {
      const value = keyHash(String(id), 0, String(id).length);
      assert.is(value, value | 0);
    }
  }
});

hash('one bit of one character changes half of the bits', () => {
  let flipped = 0;
  let pairs = 0;
  for (let id = 100_000; id < 101_000; id++) {
    const text = String(id);
    for (let index = 0; index < text.length; index++) {
      for (let bit = 0; bit < 16; bit++) {
        const changed = String.fromCharCode(text.charCodeAt(index) ^ (1 << bit));
        const other = text.slice(0, index) + changed + text.slice(index + 1);
        flipped += bitCount(murmurHash(text, 0, 6) ^ murmurHash(other, 0, 6));
        pairs++;
      }
    }
  }
  const share = flipped / (32 * pairs);
  assert.ok(share > 0.49 && share < 0.51, `${share} of the bits`);
});

function bitCount(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) count++;
  return count;
}

hash('counters, random ids and paths spread over the low bits as chance would', () => {
  const keySets = [
    Array.from({ length: 10_000 }, (_, index) => String(index + 1)),
    Array.from({ length: 10_000 }, (_, index) => String(100_000 + ((index * 7919) % 900_000))),
    Array.from({ length: 10_000 }, (_, index) => `/users/${index}/posts`),
    Array.from({ length: 10_000 }, (_, index) => `ключ-${index}`),
  ];
  for (const keys of keySets) {
    const counts = new Array<number>(1024).fill(0);
    for (const key of keys) counts[murmurHash(key, 0, key.length) & 1023]!++;
    const mean = keys.length / 1024;
    const spread = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / 1024 / mean;
    // Variance to mean, 1 by chance, with a deviation of sqrt(2 / 1024) = 0.044.
    assert.ok(spread > 0.85 && spread < 1.15, `${keys[0]}: ${spread}`);
  }
});

hash("the assignment's H is exact mod 512, for ids of any length", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 60n }), id => {
      const text = String(id);
      assert.is(assignmentHash(text, 0, text.length) & 511, Number((id * id + 2n * id + 17n) % 512n));
    }),
  );
  assert.is(assignmentHash('007', 0, 3), assignmentHash('7', 0, 1));
});

hash('what is no decimal has its default hash for a number', () => {
  for (const text of ['', '-1', '1.5', '1e3', ' 1', '٣', 'abc', '12a', '/']) {
    assert.is(numberOf(text, 0, text.length), murmurHash(text, 0, text.length), JSON.stringify(text));
  }
});

hash("the seed's hash is md5 mod 1024, whatever the length and the script", () => {
  const check = (text: string): void => {
    const digest = createHash('md5').update(text).digest('hex');
    assert.is(
      seedHash(text, 0, text.length) & 1023,
      Number(BigInt(`0x${digest}`) % 1024n),
      JSON.stringify(text),
    );
  };
  for (let length = 0; length <= 200; length++) {
    check('a'.repeat(length));
    check('é'.repeat(length));
    check('€'.repeat(length));
    check('😀'.repeat(length));
  }
  check('\ud800');
  check('\udc00x\ud800');
  fc.assert(fc.property(anyText, check));
});

hash('each algorithm hashes keys its own way', () => {
  assert.is(keyHashFor('assignment'), assignmentHash);
  assert.is(keyHashFor('seed'), seedHash);
  for (const algorithm of ['rendezvous', 'ring', 'maglev'] as const)
    assert.is(keyHashFor(algorithm), murmurHash);
});

hash.run();
