// What a ring costs and how well it spreads: torc's five, and the three that place as other balancers do, beside npm's hashring and consistent-hash, for N to 1000. Each
// is measured in a process of its own (ring/subjects.ts says what a lookup includes); the processes of one N take turns,
// so that the machine's moods hit all alike, and the median round counts. Times are CPU time. Bytes are heap and typed
// arrays of one more ring after a collection (--expose-gc): a package's with its cache full, torc's with the builder,
// which only the primary has. All but the times and bytes is deterministic; docs/decisions/0002 stands on it.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { chanceOf } from './analyze/rings.ts';
import { median } from './harness/cpu.ts';
import { save } from './harness/panels.ts';
import type { BenchOptions } from './harness/rounds.ts';
import { drawRings, type Measured } from './ring/chart.ts';
import type { Facts, Lookups, Question, Work } from './ring/child.ts';
import { SUBJECTS, type Subject } from './ring/subjects.ts';

const KEYS = 10_000;

const FULL = {
  slotCounts: [3, 6, 20, 100, 1000],
  rounds: 9,
  work: { sets: 20, builds: 5, manyKeys: 50_000, lookups: 100_000 },
};
const SHORT = {
  slotCounts: [3, 20, 100],
  rounds: 5,
  work: { sets: 2, builds: 1, manyKeys: 10_000, lookups: 20_000 },
};

/** `only` names rings, as in the table; its other words are for other scenarios. */
export async function ring({ full, only, chartPath, progress }: BenchOptions): Promise<object[]> {
  const { slotCounts, rounds, work } = full ? FULL : SHORT;
  const named = SUBJECTS.filter(({ name }) => only.includes(name));
  const rings = (named.length > 0 ? named : SUBJECTS).map(subject => new RingProcess(subject, work));
  const rows: Measured[] = [];
  try {
    for (const n of slotCounts) {
      const able = rings.filter(({ subject }) => subject.holds(n));
      rows.push(...(await measure(n, able, rounds, progress)));
    }
  } finally {
    for (const one of rings) one.end();
  }
  if (chartPath !== null) save(chartPath, drawRings(rows, work.manyKeys));
  return rows.map(row => tableRow(row, work.manyKeys));
}

class RingProcess {
  readonly subject: Subject;
  readonly #child: ChildProcess;
  readonly #exit: Promise<never>;

  constructor(subject: Subject, work: Work) {
    this.subject = subject;
    const script = join(import.meta.dirname, 'ring', 'child.ts');
    this.#child = fork(script, [subject.name, JSON.stringify(work)], { execArgv: ['--expose-gc'] });
    this.#exit = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`${subject.name} ended with ${code}`);
    });
    // At the end nobody asks any more.
    this.#exit.catch(() => {});
  }

  facts(n: number): Promise<Facts> {
    return this.#ask<Facts>({ what: 'facts', n });
  }

  lookups(n: number): Promise<Lookups> {
    return this.#ask<Lookups>({ what: 'lookups', n });
  }

  end(): void {
    this.#child.kill();
  }

  async #ask<Answer>(question: Question): Promise<Answer> {
    this.#child.send(question);
    const [answer] = await Promise.race([once(this.#child, 'message'), this.#exit]);
    return answer as Answer;
  }
}

async function measure(
  n: number,
  rings: readonly RingProcess[],
  rounds: number,
  progress: BenchOptions['progress'],
): Promise<Measured[]> {
  const facts: Facts[] = [];
  for (const one of rings) {
    progress(`N = ${n}: ${one.subject.name}`);
    facts.push(await one.facts(n));
  }
  progress(`N = ${n}: ${rounds} rounds of lookups`);
  const lookups: Lookups[][] = rings.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, one] of rings.entries()) lookups[index]!.push(await one.lookups(n));
  }
  const chance = chanceOf(n, KEYS, 1);
  return rings.map(({ subject }, index) => ({
    n,
    ring: subject.name,
    ...facts[index]!,
    fewNs: median(lookups[index]!.map(({ few }) => few)),
    manyNs: median(lookups[index]!.map(({ many }) => many)),
    chance,
  }));
}

function tableRow(row: Measured, manyKeys: number): object {
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  const orNone = (value: number | null, show: (value: number) => number | string): number | string =>
    value === null ? '-' : show(value);
  const ms = (value: number): number => round(value, 1);
  const percent = (share: number): number => round(100 * share, 2);
  return {
    N: row.n,
    ring: row.ring,
    'ns, 1,000 keys': round(row.fewNs, 0),
    [`ns, ${manyKeys / 1000},000 keys`]: round(row.manyNs, 0),
    KiB: round(row.bytes / 1024, 0),
    'build ms': ms(row.buildMs),
    '+1 ms': orNone(row.addMs, ms),
    '-1 ms': ms(row.removeMs),
    'max/mean 1..10,000': round(row.inOrder, 3),
    'random ids': round(row.random, 3),
    paths: round(row.paths, 3),
    chance: round(row.chance, 3),
    'names: mean': round(row.namesMean, 3),
    'names: worst': round(row.namesWorst, 3),
    'moved by +1, %': orNone(row.movedByAdd, percent),
    'least +1': percent(1 / (row.n + 1)),
    'moved by -1, %': percent(row.movedByRemove),
    'least -1': percent(1 / row.n),
  };
}
