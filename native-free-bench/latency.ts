// How long an answer takes while there is room: an open loop at 25, 50 and 75 % of what the slowest balancer can do in a
// closed loop of this very run, the same rates for all. `seed-shape` has no say in the rates and may be far beyond its
// capacity at them, which its figures then show. Latency counts from when a request was due (harness/open-loop.ts).
// "late" is the generator's own lateness at p99: what of a figure is not the target's.

import { drawPanels } from './harness/panels.ts';
import {
  type Bench,
  type BenchOptions,
  countdown,
  inTurns,
  latencyColumns,
  type Result,
  rateOf,
  type Step,
  warmUp,
  withTargets,
} from './harness/rounds.ts';
import { balancers, direct, seedShape } from './harness/targets.ts';

const SHARES = [0.25, 0.5, 0.75];
const CONNECTIONS = 64;
/** The better one counts: a target can do what it has done once. */
const CAPACITY_ROUNDS = 2;
const FULL = { rounds: 2, seconds: 4, warmUpSeconds: 4, capacitySeconds: 1.5 };
const SHORT = { rounds: 1, seconds: 1, warmUpSeconds: 1, capacitySeconds: 0.5 };

interface Case extends Step {
  readonly share: number;
  readonly perSecond: number;
}

export async function latency(options: BenchOptions): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const results = await withTargets([...balancers, direct, seedShape], options, async bench => {
    const tick = countdown(
      bench.targets.length * (1 + CAPACITY_ROUNDS + SHARES.length * size.rounds),
      options,
    );
    await warmUp(bench, size.warmUpSeconds, tick);
    const capacity = await slowestCapacity(bench, size.capacitySeconds, tick);
    const cases = SHARES.map((share): Case => {
      const perSecond = Math.floor(capacity * share);
      return {
        share,
        perSecond,
        name: `${perSecond}/s (${100 * share} %)`,
        measure: target => bench.open(target, size.seconds, perSecond, CONNECTIONS),
      };
    });
    return inTurns(bench.targets, cases, size.rounds, tick);
  });
  if (options.chartPath !== null) chart(options.chartPath, results);
  return results.map(({ step, target, merged }) => ({
    'rate/s': step.perSecond,
    'of slowest': `${100 * step.share} %`,
    target: target.name,
    ...latencyColumns(merged),
    errors: merged.errors,
    unanswered: merged.unanswered,
    'late p99 us': merged.lateP99Us,
  }));
}

/** Requests/s of the slowest balancer; of all there are, where none was asked for. */
async function slowestCapacity(bench: Bench, seconds: number, tick: (text: string) => void): Promise<number> {
  const best = new Map<string, number>();
  for (let round = 1; round <= CAPACITY_ROUNDS; round++) {
    for (const target of bench.targets) {
      const { name } = target;
      const perSecond = rateOf(await bench.closed(target, seconds));
      best.set(name, Math.max(perSecond, best.get(name) ?? 0));
      tick(`${name} can do ${Math.round(perSecond)}/s`);
    }
  }
  const counted = balancers.filter(({ name }) => best.has(name)).map(({ name }) => best.get(name)!);
  return Math.min(...(counted.length > 0 ? counted : best.values()));
}

function chart(path: string, results: readonly Result<Case>[]): void {
  const targets = [...new Set(results.map(({ target }) => target.name))];
  const cases = [...new Set(results.map(({ step }) => step))];
  const panels = cases.map(one => {
    const ms = (pick: (result: Result<Case>) => number): number[] =>
      results.filter(({ step }) => step === one).map(result => pick(result) / 1000);
    return {
      name: `${one.perSecond} requests/s`,
      unit: 'milliseconds',
      series: {
        p50: ms(({ merged }) => merged.p50Us),
        p99: ms(({ merged }) => merged.p99Us),
        'p99.9': ms(({ merged }) => merged.p999Us),
      },
    };
  });
  const look = {
    title: 'Latency at a fixed rate',
    subtitle: '25, 50 and 75 % of what the slowest balancer can do; from when a request was due; logarithmic',
    dots: true,
  };
  drawPanels(path, look, targets, panels);
}
