// Which of torc's settings suit replicas with a memory (docs/inference.md): bounded load by factor, wait and stickiness, and
// how a slot that died gets its keys back. A simulation (inference/model.ts says of what), the same for every machine: no time is
// measured here. Rows of one seed are compared with one another; the mean of several is shown.

import type { BenchOptions } from './harness/rounds.ts';
import { type Death, type Load, type Outcome, type Policy, simulate } from './inference/model.ts';

const BASE: Load = {
  replicas: 4,
  conversations: 160,
  zipf: 0.4,
  requestsPerS: 24,
  cacheTokens: 200_000,
  seconds: 400,
  seed: 1,
};
/** Conversations of about one popularity; some that are many at once (agents, a shared first prompt). */
const LOADS: Readonly<Record<string, Load>> = {
  even: BASE,
  hot: { ...BASE, zipf: 1.1, requestsPerS: 32 },
};
/** The last: memories that cannot hold all conversations between them. */
const DEATHS: Readonly<Record<string, Load>> = {
  death: BASE,
  'death, small memories': { ...BASE, cacheTokens: 90_000 },
};
const DEATH: Death = { atS: 120, awayS: 14 };

const NONE = {
  balanceFactor: 0,
  balanceWaitMs: 0,
  lentStickyMs: 0,
  slowStartMs: 0,
  returnHow: 'now',
} as const;
const policy = (name: string, settings: Partial<Policy> = {}): Policy => ({ ...NONE, name, ...settings });

export const LOADED: readonly Policy[] = [
  policy('no bound'),
  ...[1.25, 1.5, 2].flatMap(balanceFactor =>
    [0, 200, 1000].flatMap(balanceWaitMs =>
      [0, 120_000].map(lentStickyMs =>
        policy(`factor ${balanceFactor}, wait ${balanceWaitMs}, sticky ${lentStickyMs / 1000} s`, {
          balanceFactor,
          balanceWaitMs,
          lentStickyMs,
        }),
      ),
    ),
  ),
];

const returns = (name: string, settings: Partial<Policy>): Policy[] => [
  policy(`back at once${name}`, settings),
  ...[60_000, 180_000].flatMap(slowStartMs => [
    policy(`slow start ${slowStartMs / 1000} s${name}`, { ...settings, slowStartMs }),
    policy(`gradual, ${slowStartMs / 1000} s${name}`, { ...settings, slowStartMs, returnHow: 'gradual' }),
  ]),
];
export const RETURNS: readonly Policy[] = [...returns('', {})];

export async function inference({ full, progress }: BenchOptions): Promise<object[]> {
  const seeds = Array.from({ length: full ? 10 : 2 }, (_, index) => index + 1);
  const rows: object[] = [];
  const show = (what: string, load: Load, each: Policy, death: Death | null): void => {
    const outcomes = seeds.map(seed => simulate({ ...load, seed }, each, death));
    rows.push({ load: what, policy: each.name, ...rowOf(outcomes) });
  };
  for (const [name, load] of Object.entries(LOADS)) for (const each of LOADED) show(name, load, each, null);
  progress('a replica dies');
  for (const [name, load] of Object.entries(DEATHS))
    for (const each of RETURNS) show(name, load, each, DEATH);
  return rows;
}

function rowOf(outcomes: readonly Outcome[]): object {
  const mean = (of: (outcome: Outcome) => number): number =>
    outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / outcomes.length;
  const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
  return {
    'found their cache': percent(mean(({ hits }) => hits)),
    'read again': percent(mean(({ readAgain }) => readAgain)),
    'first token p50 ms': Math.round(mean(({ firstTokenMs }) => firstTokenMs.p50)),
    'p99 ms': Math.round(mean(({ firstTokenMs }) => firstTokenMs.p99)),
    'worst slot': Math.round(mean(({ worstSlot }) => worstSlot) * 100) / 100,
    waited: percent(mean(({ waited }) => waited)),
    'for ms': Math.round(mean(({ meanWaitMs }) => meanWaitMs)),
  };
}
