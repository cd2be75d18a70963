// A lookup allocates nothing: the key is hashed in place in the URL and a row is read. Proved in a child process by
// V8's own count of allocated bytes, which no garbage collection hides; millions of lookups may cost less than one byte
// each hundred. The canary does the same with a slice and must be caught, or the check could not fail.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ALGORITHMS } from '../ring/support.ts';

const LOOKUPS = 3_000_000;
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

for (const algorithm of ALGORITHMS) {
  lookup(`${algorithm}: ${LOOKUPS} lookups leave the heap as it was`, () => {
    const { allocatedBytes, heapBytes } = growthOf(algorithm, 'in-place');
    assert.ok(allocatedBytes < LOOKUPS / 100, `${allocatedBytes} bytes allocated`);
    assert.ok(heapBytes < LOOKUPS / 100, `the heap grew by ${heapBytes} bytes`);
  });
}

lookup('the canary: a slice for every lookup is caught', () => {
  const { allocatedBytes } = growthOf('rendezvous', 'slice');
  assert.ok(allocatedBytes > LOOKUPS * 10, `${allocatedBytes} bytes allocated`);
});

lookup.run();
