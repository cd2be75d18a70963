// What more workers bring: torc, nginx and HAProxy with 1, 2 and 4. Nothing is pinned here: the kernel places workers,
// replicas and load as on any machine. They need cores: where there are 2, load and replicas take one of them, so two
// workers gain little and four nothing. The load generator is one process and ends at what one core of it can ask.

import { cpus } from 'node:os';
import { drawPanels } from './harness/panels.ts';
import {
  type BenchOptions,
  countdown,
  inTurns,
  latencyColumns,
  type Result,
  rounded,
  type Step,
  warmUp,
  withTargets,
} from './harness/rounds.ts';
import { scalable } from './harness/targets.ts';

const WORKERS = [1, 2, 4];
const CONNECTIONS = 64;
/** The warm-up is per worker: each compiles its own code. */
const FULL = { rounds: 5, seconds: 2, warmUpSeconds: 6 };
const SHORT = { rounds: 2, seconds: 0.8, warmUpSeconds: 1 };

interface Case extends Step {
  readonly workers: number;
}

export async function workers(options: BenchOptions): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const cores = cpus().length;
  if (cores <= 2)
    options.progress(`${cores} cores for balancer, load and replicas: more workers cannot gain`);
  const results: Result<Case>[] = [];
  const wanted = scalable.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const tick = countdown(WORKERS.length * wanted.length * (1 + size.rounds), options);
  for (const count of WORKERS) {
    const setup = { workers: count, pinned: false };
    const some = await withTargets(
      wanted,
      options,
      async bench => {
        await warmUp(bench, size.warmUpSeconds * count, tick);
        const step: Case = {
          workers: count,
          name: `${count} ${count === 1 ? 'worker' : 'workers'}`,
          measure: target => bench.closed(target, size.seconds, { connections: CONNECTIONS }),
        };
        return inTurns(bench.targets, [step], size.rounds, tick);
      },
      setup,
    );
    results.push(...some);
  }
  if (options.chartPath !== null) chart(options.chartPath, results, cores);
  return results.map(({ step, target, merged }) => ({
    workers: step.workers,
    target: target.name,
    'requests/s': Math.round(merged.perSecond),
    'CPU us/request': rounded(merged.cpuUsPerRequest),
    ...latencyColumns(merged),
    errors: merged.errors,
  }));
}

function chart(path: string, results: readonly Result<Case>[], cores: number): void {
  const series = (pick: (result: Result<Case>) => number): Record<string, number[]> =>
    Object.fromEntries(
      WORKERS.map(count => [
        `${count} ${count === 1 ? 'worker' : 'workers'}`,
        results.filter(({ step }) => step.workers === count).map(pick),
      ]),
    );
  const panels = [
    { name: 'throughput', unit: 'requests per second', series: series(({ merged }) => merged.perSecond) },
    {
      name: 'cost',
      unit: 'CPU microseconds per request',
      series: series(({ merged }) => merged.cpuUsPerRequest),
    },
  ];
  const look = {
    title: 'Workers: what more processes bring',
    subtitle: `${cores} cores for balancer, load and replicas together; ${CONNECTIONS} connections, closed loop`,
  };
  drawPanels(path, look, [...new Set(results.map(({ target }) => target.name))], panels);
}
