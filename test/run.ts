// Runs every test file in a process of its own (a crash, a leak or a hang in one cannot touch another), two at a time, of
// which one at most is the engine's or the browser's, and adds up what uvu reports. Last line: `N passed, N failed, N skipped`.
//   npm test                      all
//   npm test -- ring e2e/start    those whose path contains one of the words
// Files of the data plane run once for each of its lanes, the second time with requests that share connections
// (TORC_TEST_EXPRESS, TORC_TEST_PIPELINING, read by support/torc.ts and support/proxy.ts).
// A file that crashes, prints no totals or runs over its time counts as one failure.

import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILE_TIMEOUT_MS = 240_000;

interface Run {
  readonly file: string;
  readonly express: 'on' | 'off';
}

interface Result extends Run {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
}

const here = dirname(fileURLToPath(import.meta.url));
const words = process.argv.slice(2);
const files = globSync('**/*.test.ts', { cwd: here })
  .filter(file => words.length === 0 || words.some(word => file.includes(word)))
  .sort();
/** One after the other: the engine is one, and a browser fills a machine by itself. */
const waitsForItsKind = (file: string): boolean => /^(docker|page|swarm)\//.test(file);
/** Others would find no engine meanwhile. */
const RUNS_ALONE = 'docker/engine-restart.test.ts';

/** Those whose tests are about bytes that go through a lane; by HTTPS the raw one alone, which gives the rare to the other. */
const LANES =
  /^(?:front(?!\/http2-)|exchange|conformance(?!\/http)|fuzz)\/|^e2e\/(?:zero-loss|begun|grace|control-side)/;
const runs: readonly Run[] = files.flatMap(file => [
  { file, express: 'on' as const },
  ...(LANES.test(file) ? [{ file, express: 'off' as const }] : []),
]);

const laneOf = (express: Run['express']) => ({
  TORC_TEST_EXPRESS: express,
  TORC_TEST_PIPELINING: express === 'on' ? 'off' : 'auto',
});

const totals = { passed: 0, failed: 0, skipped: 0 };
const alone = runs.filter(({ file }) => file === RUNS_ALONE);
const oneByOne = runs.filter(({ file }) => waitsForItsKind(file) && file !== RUNS_ALONE);
const others = runs.filter(({ file }) => !waitsForItsKind(file));
await Promise.all([runAll(oneByOne, others), runAll(others)]);
await runAll(alone);
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;

/** The files of the first queue, then those of the next. Two may take from one queue. */
async function runAll(...queues: Run[][]): Promise<void> {
  for (const queue of queues) {
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
      const startedMs = performance.now();
      report(await runFile(run), performance.now() - startedMs);
    }
  }
}

function report(result: Result, tookMs: number): void {
  totals.passed += result.passed;
  totals.failed += result.failed;
  totals.skipped += result.skipped;
  const verdict = result.failed > 0 ? 'FAIL' : 'ok  ';
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : '';
  const took = `${(tookMs / 1000).toFixed(1)} s`;
  const lane = result.express === 'off' ? ' by node:http' : '';
  process.stdout.write(`${verdict} ${result.file}${lane}  ${result.passed} passed${skipped}  ${took}\n`);
  if (result.failed === 0) return;
  const settings = Object.entries(laneOf(result.express)).map(setting => setting.join('='));
  process.stdout.write(`${result.output}\n  again: ${settings.join(' ')} npx node test/${result.file}\n`);
}

function runFile({ file, express }: Run): Promise<Result> {
  return new Promise(resolve => {
    const args = ['--import', join(here, 'support', 'ends-with-runner.ts'), join(here, file)];
    const child = spawn(process.execPath, args, {
      cwd: join(here, '..'),
      env: {
        ...testEnvironment(),
        ...laneOf(express),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that a file that hangs is ended together with what it started.
      detached: true,
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      if (output.length < 1_000_000) output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      process.kill(-child.pid!, 'SIGKILL');
    }, FILE_TIMEOUT_MS);
    child.on('close', code => {
      clearTimeout(timer);
      if (timedOut) output += `\nran over ${FILE_TIMEOUT_MS / 1000} s and was ended`;
      resolve({ file, express, ...readTotals(output, code === 0) });
    });
  });
}

function readTotals(output: string, exitedWell: boolean): Omit<Result, keyof Run> {
  const number = (label: string): number => Number(new RegExp(`${label}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
  const passed = number('Passed');
  const skipped = number('Skipped');
  const failed = Math.max(number('Total') - passed, exitedWell && number('Total') + skipped > 0 ? 0 : 1);
  return { passed, failed, skipped, output };
}

/** Settings of a torc that the person runs must not leak into the tests. */
function testEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
  delete env.FORCE_COLOR;
  for (const name of Object.keys(env)) {
    if (name.startsWith('TORC_') && !name.startsWith('TORC_TEST_')) delete env[name];
  }
  delete env.PORT;
  delete env.HOST;
  return env;
}
