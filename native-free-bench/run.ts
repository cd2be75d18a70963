// npm run bench [-- NAME ...] [--full] [--only torc,nginx]: runs scenarios (all of them without a name), prints their
// tables, keeps the figures as dated JSON under results/. The short size tells in a minute whether something broke; quote
// only --full ones, which also draw the charts of docs/benchmarks/ where they had all targets.

import { execFileSync } from 'node:child_process';
import { Console } from 'node:console';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bodies } from './bodies.ts';
import { connections } from './connections.ts';
import { cost } from './cost.ts';
import { machine } from './harness/machine.ts';
import type { BenchOptions } from './harness/rounds.ts';
import { kinds } from './harness/targets.ts';
import { heal, timelineFile } from './heal.ts';
import { histogram } from './histogram.ts';
import { hotKeys } from './hot-keys.ts';
import { inference } from './inference.ts';
import { keys } from './keys.ts';
import { latency } from './latency.ts';
import { page } from './page.ts';
import { pipelining } from './pipelining.ts';
import { placement } from './placement.ts';
import { profile } from './profile.ts';
import { reloads } from './reloads.ts';
import { ring } from './ring.ts';
import { scale } from './scale.ts';
import { soak } from './soak.ts';
import { stalls } from './stalls.ts';
import { streams } from './streams.ts';
import { throughput } from './throughput.ts';
import { tls } from './tls.ts';
import { weights } from './weights.ts';
import { workers } from './workers.ts';

const USAGE =
  'npm run bench -- [NAME ...] [--full] [--only TARGET,...] [--hours H | --minutes M] [--seed S] [--driver docker]';

const scenarios: Record<string, (options: BenchOptions) => Promise<object[]>> = {
  throughput,
  latency,
  stalls,
  cost,
  tls,
  bodies,
  workers,
  connections,
  pipelining,
  profile,
  heal: options => {
    const size = options.full
      ? { strikes: 5, idleStrikes: 10, streamMs: 60_000, timelinePath: timelineFile }
      : { strikes: 1, idleStrikes: 1, streamMs: 10_000, timelinePath: null };
    return heal({ ...size, ...options });
  },
  ring,
  histogram,
  'hot-keys': hotKeys,
  keys,
  page,
  placement,
  scale,
  soak,
  reloads,
  inference,
  streams,
  weights,
};
/** Here --only has words of their own. */
const OWN_WORDS = ['heal', 'ring', 'placement', 'soak', 'reloads', 'inference', 'streams', 'weights'];

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function refuse(reason: string): never {
  say(`${reason}\n${USAGE}\nscenarios: ${Object.keys(scenarios).join(', ')}`);
  process.exit(2);
}

function argumentsOf(): Pick<BenchOptions, 'full' | 'only' | 'minutes' | 'seed' | 'driver'> & {
  names: string[];
} {
  try {
    const { values, positionals } = parseArgs({
      options: {
        full: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        hours: { type: 'string' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        driver: { type: 'string', default: 'process' },
      },
      allowPositionals: true,
    });
    const names = positionals.length > 0 ? positionals : Object.keys(scenarios);
    const minutes = values.hours === undefined ? values.minutes : String(Number(values.hours) * 60);
    if (minutes !== undefined && !(Number(minutes) > 0)) return refuse(`"${minutes}" is no length of time`);
    const { driver } = values;
    if (driver !== 'process' && driver !== 'docker') return refuse(`no driver ${driver} is soaked`);
    return {
      names,
      driver,
      full: values.full,
      only: values.only === '' ? [] : values.only.split(','),
      minutes: minutes === undefined ? null : Number(minutes),
      seed: Number(values.seed ?? Math.floor(Math.random() * 1e6)),
    };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** The peers are the bench's own dependencies: installed on its first run, never with the product. */
function installPeers(): void {
  if (existsSync(join(import.meta.dirname, 'node_modules'))) return;
  say('installing the peers (once)');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: import.meta.dirname, stdio: 'inherit' });
}

async function runScenario(name: string): Promise<void> {
  const on = machine();
  const startMs = performance.now();
  const all = only.length === 0;
  const chartPath = full && all ? join(import.meta.dirname, '..', 'docs', 'benchmarks', `${name}.svg`) : null;
  say(`${name}${full ? ' --full' : ''}, load average ${on.loadAverage}`);
  const rows = await scenarios[name]!({ full, only, minutes, seed, driver, chartPath, progress: say });
  const seconds = Math.round((performance.now() - startMs) / 1000);
  new Console(process.stdout).table(rows);
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(
    folder,
    `${on.date.slice(0, 10)}-${name}${all ? '' : '-some'}${full ? '' : '-short'}.json`,
  );
  writeFileSync(
    file,
    `${JSON.stringify({ scenario: name, full, only, machine: on, seconds, rows }, null, 2)}\n`,
  );
  say(`${name} took ${seconds} s, written: ${file}`);
}

const { names, full, only, minutes, seed, driver } = argumentsOf();
const unknownName = names.find(name => !Object.hasOwn(scenarios, name));
if (unknownName !== undefined) refuse(`no scenario ${unknownName}`);
const unknownTarget = only.find(word => !kinds.some(kind => kind.name === word));
if (unknownTarget !== undefined && !names.every(name => OWN_WORDS.includes(name)))
  refuse(`no target ${unknownTarget}; there are ${kinds.map(kind => kind.name).join(', ')}`);
if (process.platform !== 'linux') refuse('the bench reads /proc and pins with taskset: it needs Linux');
// Ends through 'exit', where what was started is ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
installPeers();
for (const name of names) {
  try {
    await runScenario(name);
  } catch (error) {
    say(`${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = 1;
  }
}
