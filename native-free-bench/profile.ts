// Where the time of a request goes: the balancer's processes are sampled by perf while h2load keeps them busy, and
// the samples are told apart by where the program counter was: the kernel, the program's own machine code (for Node: V8,
// libuv, the parser), compiled JavaScript, libraries. Shares times the CPU time per request of the same seconds.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUSY, hasH2load } from './harness/h2load.ts';
import { drawPanels } from './harness/panels.ts';
import { type Bench, type BenchOptions, countdown, rounded, withTargets } from './harness/rounds.ts';
import { balancers, type Target } from './harness/targets.ts';

const WANTED = ['torc', 'torc-auto', 'nginx', 'haproxy', 'fast-proxy'];
const SAMPLES_PER_SECOND = 997;
const FULL = { requests: 300_000, warmUpRequests: 80_000 };
const SHORT = { requests: 20_000, warmUpRequests: 20_000 };

const PARTS = ['kernel', 'program', 'JavaScript', 'libraries'] as const;
type Part = (typeof PARTS)[number];

interface Profile {
  readonly target: string;
  readonly us: Readonly<Record<Part, number>>;
}

export async function profile(options: BenchOptions): Promise<object[]> {
  if (spawnSync('perf', ['--version']).status !== 0) {
    options.progress('perf is not here: apt-get install linux-perf');
    return [];
  }
  if (!hasH2load(options.progress)) return [];
  const size = options.full ? FULL : SHORT;
  const kinds = balancers.filter(({ name }) => options.only.length > 0 || WANTED.includes(name));
  const profiles = await withTargets(kinds, options, async bench => {
    const tick = countdown(2 * bench.targets.length, options);
    const all: Profile[] = [];
    for (const target of bench.targets) {
      await bench.counted(target, { ...BUSY, requests: size.warmUpRequests });
      tick(`${target.name} is warm`);
      all.push(await profileOf(bench, target, size.requests));
      tick(`${target.name} is sampled`);
    }
    return all;
  });
  if (options.chartPath !== null) chart(options.chartPath, profiles);
  return profiles.map(({ target, us }) => ({
    target,
    ...Object.fromEntries(PARTS.map(part => [`${part} us`, rounded(us[part])])),
    'us/request': rounded(PARTS.reduce((sum, part) => sum + us[part], 0)),
  }));
}

async function profileOf(bench: Bench, target: Target, requests: number): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-profile-'));
  const file = join(folder, 'perf.data');
  try {
    const perf = spawn(
      'perf',
      ['record', '-q', '-F', String(SAMPLES_PER_SECOND), '-p', target.pids().join(','), '-o', file],
      { stdio: 'ignore' },
    );
    const { cpuUsPerRequest } = await bench.counted(target, { ...BUSY, requests });
    perf.kill('SIGINT');
    await once(perf, 'exit');
    const report = execFileSync('perf', ['report', '-i', file, '--sort', 'dso', '--stdio', '-q'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const us = { kernel: 0, program: 0, JavaScript: 0, libraries: 0 };
    for (const [, percent, object] of report.matchAll(/^\s*(\d+\.\d+)%\s+(\S+)/gm))
      us[partOf(object!)] += (Number(percent) / 100) * cpuUsPerRequest;
    return { target: target.name, us };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function partOf(object: string): Part {
  if (object.startsWith('[kernel') || object.startsWith('[guest')) return 'kernel';
  if (object.startsWith('[JIT]') || object.startsWith('//anon') || object.includes('perf-'))
    return 'JavaScript';
  return /\.so(?:\.|$)|^\[vdso\]$/.test(object) ? 'libraries' : 'program';
}

function chart(path: string, profiles: readonly Profile[]): void {
  const look = {
    title: 'Where the time of a request goes',
    subtitle: 'CPU microseconds per GET of 56 B, one worker, 64 connections, sampled by perf',
  };
  const series = Object.fromEntries(PARTS.map(part => [part, profiles.map(({ us }) => us[part])]));
  drawPanels(
    path,
    look,
    profiles.map(({ target }) => target),
    [{ name: 'GET 56 B', unit: 'CPU microseconds', series }],
  );
}
