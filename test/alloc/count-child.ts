// Run by count.test.ts as `node --expose-gc count-child.ts steady|new|slice COUNTS`: counts hot keys as the data plane does,
// of few keys, or of ever new ones, and prints what that allocated as JSON.

import { getHeapStatistics } from 'node:v8';
import { murmurHash } from '../../src/ring/hash.ts';
import { HotKeys } from '../../src/routing/hot-keys.ts';

const [how, counts] = process.argv.slice(2) as ['steady' | 'new' | 'slice', string];
const hotKeys = new HotKeys(0);
const urls = Array.from({ length: 1000 }, (_, id) => `/api/items?page=2&request_id=${100_000 + id * 7}&x=1`);
const start = urls[0]!.indexOf('=1') + 1;

function run(requests: number): void {
  for (let index = 0; index < requests; index++) {
    const url = how === 'slice' ? urls[index % 1000]!.slice(0, start + 6) : urls[index % 1000]!;
    // Another hash is another key, whatever its text.
    const hash = how === 'new' ? Math.imul(index, 0x9e3779b1) : murmurHash(url, start, start + 6);
    hotKeys.count(hash, url, start, start + 6);
    if (index % 1000 === 0) hotKeys.tick(index);
  }
}

const collect = globalThis.gc!;
run(300_000);
collect();
// Read twice before: reading allocates, too.
getHeapStatistics();
const before = getHeapStatistics();
run(Number(counts));
const after = getHeapStatistics();
process.stdout.write(
  JSON.stringify({ allocatedBytes: after.total_allocated_bytes - before.total_allocated_bytes }),
);
