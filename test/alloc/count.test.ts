// To count a hot key allocates nothing, whether it is known or takes another's entry; as lookup.test.ts has it for lookups.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const COUNTS = 3_000_000;
const NOISE_BYTES = 4_000_000;
const program = fileURLToPath(new URL('count-child.ts', import.meta.url));

function allocatedBy(how: 'steady' | 'new' | 'slice'): number {
  const child = spawnSync(process.execPath, ['--expose-gc', program, how, String(COUNTS)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.is(child.status, 0, child.stderr);
  return (JSON.parse(child.stdout) as { allocatedBytes: number }).allocatedBytes;
}

const counting = suite('alloc/count');

for (const how of ['steady', 'new'] as const) {
  counting(`${COUNTS} requests of ${how} keys leave nothing behind`, () => {
    const bytes = allocatedBy(how);
    assert.ok(bytes < NOISE_BYTES, `${bytes} bytes allocated`);
  });
}

counting('the canary: a slice for every request is caught', () => {
  const bytes = allocatedBy('slice');
  assert.ok(bytes > COUNTS * 10, `${bytes} bytes allocated`);
});

counting.run();
