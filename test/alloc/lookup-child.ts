// Run by lookup.test.ts as `node --expose-gc lookup-child.ts ALGORITHM in-place|slice LOOKUPS`: looks up keys as the
// data plane does, and prints what that allocated as JSON. Warmed up first: what compiles, allocates.

import { getHeapStatistics } from 'node:v8';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { keyHashFor } from '../../src/ring/hash.ts';
import { CHOICES, type KeyHash, rowOf } from '../../src/ring/table.ts';
import { numbered } from '../ring/support.ts';

const [algorithm, how, lookups] = process.argv.slice(2) as [RingAlgorithm, 'in-place' | 'slice', string];
const table = createTableBuilder(algorithm, 65_536).update(numbered(10));
const urls = Array.from({ length: 1000 }, (_, id) => `/api/items?page=2&request_id=${100_000 + id * 7}&x=é`);
const start = urls[0]!.indexOf('=1') + 1;
const inPlace = keyHashFor(algorithm);
const slicing: KeyHash = (text, from, to) => {
  const key = text.slice(from, to);
  return inPlace(key, 0, key.length);
};
const keyHash = how === 'slice' ? slicing : inPlace;

function run(count: number): number {
  let seen = 0;
  for (let index = 0; index < count; index++) {
    const hash = keyHash(urls[index % urls.length]!, start, start + 6);
    const row = rowOf(table, hash) * CHOICES;
    seen += table.choices[row]! + table.choices[row + 1]! + table.choices[row + 2]!;
  }
  return seen;
}

const collect = globalThis.gc!;
const warmed = run(300_000);
collect();
// Read twice before: reading allocates, too.
getHeapStatistics();
const before = getHeapStatistics();
const seen = run(Number(lookups));
const after = getHeapStatistics();
collect();
const settled = getHeapStatistics();
process.stdout.write(
  JSON.stringify({
    allocatedBytes: after.total_allocated_bytes - before.total_allocated_bytes,
    heapBytes: settled.used_heap_size - before.used_heap_size,
    seen: warmed + seen,
  }),
);
