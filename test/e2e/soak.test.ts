// Two minutes of everything at once (native-free-bench/soak.ts), for what no test of one thing finds: kills, hangs, roll-outs,
// scaling, reloads, deaths of workers and of the primary, replacements, one behind the other and two together, under clients of ten kinds.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runSoak } from '../../native-free-bench/soak.ts';

const MINUTES = 2;
/** Those that an hour of it went through (docs/benchmarks.md). The others have no such run yet. */
const KINDS = ['kill', 'hang', 'rollout', 'scale', 'reload', 'worker', 'replace'];

const test = suite('soak');
/** Memory and descriptors are read in /proc. */
const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux(`${MINUTES} minutes: nothing lost, nothing leaked, nothing stalled`, async () => {
  const seed = Math.floor(Math.random() * 1e6);
  // Stays where it fails: the drawing and torc's log are in it.
  const dir = mkdtempSync(join(tmpdir(), 'torc-soak-'));
  const progress = (text: string): void => void process.stdout.write(`  ${text}\n`);
  const { verdict } = await runSoak({
    minutes: MINUTES,
    seed,
    only: KINDS,
    driver: 'process',
    progress,
    chartPath: join(dir, 'soak.svg'),
  });
  assert.equal(verdict, { lost: [], leaked: [], stalled: [] });
  rmSync(dir, { recursive: true });
});

test.run();
