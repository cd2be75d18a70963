// A lookup allocates nothing: the key is hashed in place in the URL and a row is read. Proved in a child process by
// V8's own count of allocated bytes, which no garbage collection hides. The count moves in steps of whole buffers: 0.3 to
// 1.5 MB whether 1000 or 30 million lookups ran (Node 26.10, 2026-11-22), so the bound is a constant; the least object
// is 16 bytes, and one in 12 lookups that made one would break it. The canary, a slice a lookup, must be caught.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ALGORITHMS, CIRCLES } from '../ring/support.ts';

const LOOKUPS = 3_000_000;
const NOISE_BYTES = 4_000_000;
const program = fileURLToPath(new URL('lookup-child.ts', import.meta.url));

interface Growth {
  readonly allocatedBytes: number;
  readonly heapBytes: number;
}

function growthOf(algorithm: string, how: 'in-place' | 'slice'): Growth {
  const child = spawnSync(process.execPath, ['--expose-gc', program, algorithm, how, String(LOOKUPS)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.is(child.status, 0, child.stderr);
  return JSON.parse(child.stdout) as Growth;
}

const lookup = suite('alloc/lookup');

for (const algorithm of [...ALGORITHMS, ...CIRCLES]) {
  lookup(`${algorithm}: ${LOOKUPS} lookups leave the heap as it was`, () => {
    const { allocatedBytes, heapBytes } = growthOf(algorithm, 'in-place');
    assert.ok(allocatedBytes < NOISE_BYTES, `${allocatedBytes} bytes allocated`);
    assert.ok(heapBytes < NOISE_BYTES / 10, `the heap grew by ${heapBytes} bytes`);
  });
}

lookup('the canary: a slice for every lookup is caught', () => {
  const { allocatedBytes } = growthOf('rendezvous', 'slice');
  assert.ok(allocatedBytes > LOOKUPS * 10, `${allocatedBytes} bytes allocated`);
});

lookup.run();
