// Streams of keys as requests bring them: paths whose popularity is Zipf's, drawn with a seed.

import { seededRandom } from '../../src/core/random.ts';

/** Draws ranks 0, 1, 2, ... of `count` with a chance of 1 / (rank + 1)^exponent each, by its cumulative table. */
export function zipf(count: number, exponent: number, seed: number): () => number {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += (rank + 1) ** -exponent;
    cumulative[rank] = sum;
  }
  const random = seededRandom(seed);
  return () => {
    const wanted = random() * sum;
    let low = 0;
    for (let high = count - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

export const keyOf = (rank: number): string => `/items/${(rank * 7919) % 1_000_003}`;
