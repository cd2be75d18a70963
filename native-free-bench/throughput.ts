// How much each target can do: autocannon in a closed loop, 16, 64 and 256 connections, GET and POST with 1 KiB. Latencies
// here are those of a full house (connections / requests per second, mostly); what an answer takes at a moderate load is
// the scenario `latency`. Load and replicas share a core, so a target close to `direct` is held back by them, not by itself.

import { drawPanels } from './harness/panels.ts';
import {
  type BenchOptions,
  countdown,
  inTurns,
  latencyColumns,
  type Result,
  type Step,
  warmUp,
  withTargets,
} from './harness/rounds.ts';
import { balancers, direct, seedShape } from './harness/targets.ts';

const METHODS = ['GET', 'POST'] as const;
const FULL = { connections: [16, 64, 256], rounds: 3, seconds: 1.5, warmUpSeconds: 4 };
const SHORT = { connections: [64], rounds: 2, seconds: 0.7, warmUpSeconds: 1 };

interface Case extends Step {
  readonly method: 'GET' | 'POST';
  readonly connections: number;
}

export async function throughput(options: BenchOptions): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const results = await withTargets([...balancers, direct, seedShape], options, async bench => {
    const cases = size.connections.flatMap(connections =>
      METHODS.map(
        (method): Case => ({
          method,
          connections,
          name: `${method}, ${connections} connections`,
          measure: target => bench.closed(target, size.seconds, { method, connections }),
        }),
      ),
    );
    const tick = countdown(bench.targets.length * (1 + cases.length * size.rounds), options);
    await warmUp(bench, size.warmUpSeconds, tick);
    return inTurns(bench.targets, cases, size.rounds, tick);
  });
  if (options.chartPath !== null) chart(options.chartPath, results, size.connections);
  return results.map(({ step, target, merged }) => ({
    request: step.method,
    connections: step.connections,
    target: target.name,
    'requests/s': Math.round(merged.perSecond),
    ...latencyColumns(merged),
    errors: merged.errors,
    'per replica %': shares(merged.perReplica),
  }));
}

function shares(counts: readonly number[]): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map(count => ((100 * count) / Math.max(1, total)).toFixed(1)).join(' / ');
}

function chart(path: string, results: readonly Result<Case>[], connections: readonly number[]): void {
  const of = (method: string, count: number): number[] =>
    results
      .filter(({ step }) => step.method === method && step.connections === count)
      .map(({ merged }) => merged.perSecond);
  const panels = METHODS.map(method => ({
    name: method === 'GET' ? 'GET' : 'POST of 1 KiB',
    unit: 'requests per second',
    series: Object.fromEntries(connections.map(count => [`${count} connections`, of(method, count)])),
  }));
  const look = {
    title: 'Throughput: how much each target can do',
    subtitle: 'closed loop; the balancer has one core, load and replicas share another',
  };
  drawPanels(path, look, [...new Set(results.map(({ target }) => target.name))], panels);
}
