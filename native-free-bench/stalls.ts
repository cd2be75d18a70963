// Does it ever stand still? An open loop of 2,000 requests a second for a minute, far below what any of the targets can do:
// what a request waits beyond a millisecond is a stall of somebody. The machine stalls too, which `direct` shows in the
// same run, as the generator's own lateness does. Targets take turns of 15 s.

import {
  type BenchOptions,
  countdown,
  inTurns,
  latencyColumns,
  type Step,
  warmUp,
  withTargets,
} from './harness/rounds.ts';
import { balancers, direct } from './harness/targets.ts';

const WANTED = ['torc', 'nginx', 'haproxy'];
const PER_SECOND = 2000;
const CONNECTIONS = 64;
const FULL = { rounds: 4, seconds: 15, warmUpSeconds: 10 };
const SHORT = { rounds: 1, seconds: 3, warmUpSeconds: 2 };

export async function stalls(options: BenchOptions): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const kinds = balancers.filter(({ name }) => options.only.length > 0 || WANTED.includes(name));
  const results = await withTargets([...kinds, direct], options, async bench => {
    const tick = countdown(bench.targets.length * (1 + size.rounds), options);
    await warmUp(bench, size.warmUpSeconds, tick);
    const step: Step = {
      name: `${PER_SECOND}/s`,
      measure: target => bench.open(target, size.seconds, PER_SECOND, CONNECTIONS),
    };
    return inTurns(bench.targets, [step], size.rounds, tick);
  });
  return results.map(({ target, merged }) => ({
    target: target.name,
    requests: merged.requests,
    ...latencyColumns(merged),
    errors: merged.errors,
    unanswered: merged.unanswered,
    'late p99 us': merged.lateP99Us,
  }));
}
