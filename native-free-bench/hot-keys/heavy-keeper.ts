// HeavyKeeper (Gong, Yang and others, USENIX ATC 2018), to measure torc's sketch against: two rows of buckets, each with a
// fingerprint and a count; a key that finds another's fingerprint wears its count down with a chance of 1.08^-count, and
// takes the bucket at 0. The busiest are kept beside it in a map with their texts, because buckets cannot be listed. It
// decays by scaling all counts down once a second, since a chance needs counts that are plain numbers.

import type { Random } from '../../src/core/random.ts';
import { avalanche } from '../../src/ring/hash.ts';

const ROWS = 2;
const BASE = 1.08;
const HALF_LIFE_MS = 30_000;
const AGE_EVERY_MS = 1000;

export class HeavyKeeper {
  readonly #columns: number;
  readonly #prints: Int32Array;
  readonly #counts: Float64Array;
  readonly #top = new Map<number, { text: string; count: number }>();
  readonly #most: number;
  readonly #random: Random;
  #least = 0;
  #agedMs: number;
  sum = 0;

  constructor(nowMs: number, buckets: number, most: number, random: Random) {
    this.#agedMs = nowMs;
    this.#columns = buckets / ROWS;
    this.#prints = new Int32Array(buckets);
    this.#counts = new Float64Array(buckets);
    this.#most = most;
    this.#random = random;
  }

  count(hash: number, text: string, start: number, end: number): void {
    this.sum++;
    let largest = 0;
    let mixed = hash;
    for (let row = 0; row < ROWS; row++) {
      const at = row * this.#columns + (mixed & (this.#columns - 1));
      mixed = avalanche(mixed);
      const count = this.#counts[at]!;
      if (count < 1 || this.#prints[at] === hash) {
        this.#prints[at] = hash;
        this.#counts[at] = count < 1 ? 1 : count + 1;
        largest = Math.max(largest, this.#counts[at]!);
      } else if (this.#random() < BASE ** -count) this.#counts[at] = count - 1;
    }
    const known = this.#top.get(hash);
    if (known !== undefined) known.count = Math.max(known.count, largest);
    else if (this.#top.size < this.#most)
      this.#top.set(hash, { text: text.slice(start, end), count: largest });
    else if (largest > this.#least) this.#replaceLeast(hash, text.slice(start, end), largest);
  }

  tick(nowMs: number): void {
    if (nowMs - this.#agedMs < AGE_EVERY_MS) return;
    const factor = 2 ** ((this.#agedMs - nowMs) / HALF_LIFE_MS);
    for (let at = 0; at < this.#counts.length; at++) this.#counts[at]! *= factor;
    for (const entry of this.#top.values()) entry.count *= factor;
    this.#least *= factor;
    this.sum *= factor;
    this.#agedMs = nowMs;
  }

  shares(): Map<string, number> {
    return new Map([...this.#top.values()].map(({ text, count }) => [text, count / this.sum]));
  }

  #replaceLeast(hash: number, text: string, count: number): void {
    let least = -1;
    let leastCount = Number.POSITIVE_INFINITY;
    let second = Number.POSITIVE_INFINITY;
    for (const [other, entry] of this.#top) {
      if (entry.count < leastCount) {
        second = leastCount;
        leastCount = entry.count;
        least = other;
      } else second = Math.min(second, entry.count);
    }
    this.#least = leastCount;
    if (count <= leastCount) return;
    this.#top.delete(least);
    this.#top.set(hash, { text, count });
    this.#least = Math.min(second, count);
  }
}
