// What one request costs: CPU time (user + system) of the balancer's processes per request, from the operating system's
// accounting. One worker on core 0, load generator and replicas on core 1, 64 connections, keep-alive. Rounds of the
// targets interleave, so that the machine's moods hit all alike; the median round counts, and the ratio to nginx.
// Says nothing about latency or peak throughput: see the other scenarios.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cpuUs, median, pin } from './harness/cpu.ts';
import { kinds, type Target, verify } from './harness/targets.ts';

const CONNECTIONS = 64;
/** Until V8 has compiled what is hot: a Node proxy's first 20,000 requests cost up to half more than those behind them. */
const WARM_UP_SECONDS = 12;

export interface CostRow {
  readonly target: string;
  readonly bytes: number;
  readonly usPerRequest: number;
  readonly rounds: readonly number[];
  readonly ratioToNginx: number | null;
}

export interface CostOptions {
  readonly bodies: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly only: readonly string[];
  readonly progress: (text: string) => void;
}

export async function cost(options: CostOptions): Promise<CostRow[]> {
  const rows: CostRow[] = [];
  for (const bytes of options.bodies) rows.push(...(await costOf(bytes, options)));
  return rows;
}

async function costOf(bytes: number, { rounds, seconds, only, progress }: CostOptions): Promise<CostRow[]> {
  const origin = spawn(process.execPath, [join(import.meta.dirname, 'harness/origin.ts'), String(bytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(origin.stdout), 'line')) as [string];
  const ports = JSON.parse(line) as number[];
  pin([origin.pid!], 1);
  const targets: Target[] = [];
  const measured = new Map<string, number[]>();
  try {
    for (const kind of kinds) {
      if (only.length > 0 && !only.includes(kind.name)) continue;
      if (kind.name === 'bare' && bytes > 1024) continue;
      const missing = kind.missing();
      if (missing !== null) {
        progress(`${kind.name} is not here: ${missing}`);
        continue;
      }
      const target = await kind.start(ports);
      targets.push(target);
      await verify(target);
      pin(target.pids(), 0);
      await round(target, WARM_UP_SECONDS);
    }
    for (let i = 1; i <= rounds; i++) {
      for (const target of targets) {
        const us = await round(target, seconds);
        measured.set(target.name, [...(measured.get(target.name) ?? []), us]);
        progress(`${bytes} B, round ${i} of ${rounds}, ${target.name}: ${us.toFixed(1)} us`);
      }
    }
  } finally {
    for (const target of targets) await target.stop();
    origin.kill();
  }
  const nginx = measured.has('nginx') ? median(measured.get('nginx')!) : null;
  return [...measured].map(([target, values]) => ({
    target,
    bytes,
    usPerRequest: median(values),
    rounds: values,
    ratioToNginx: nginx === null ? null : median(values) / nginx,
  }));
}

/** One round of load; microseconds of CPU per request. */
async function round(target: Target, seconds: number): Promise<number> {
  const pids = target.pids();
  const before = cpuUs(pids);
  const script = join(import.meta.dirname, 'harness/load.ts');
  const load = spawn(
    'taskset',
    ['-c', '1', process.execPath, script, target.url, String(CONNECTIONS), String(seconds)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line] = (await once(createInterface(load.stdout), 'line')) as [string];
  const used = cpuUs(pids) - before;
  const { requests, errors, timeouts, non2xx } = JSON.parse(line) as Record<string, number>;
  if (errors! + timeouts! + non2xx! > 0) throw new Error(`${target.name}: ${line}`);
  return used / requests!;
}
