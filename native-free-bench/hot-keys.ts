// What counting hot keys costs and how true it is: torc's Space-Saving in sets beside the paper's (map and heap) and
// HeavyKeeper, each with 1024 entries, in many short rounds that take turns, against routing without any. Skewed traffic
// (Zipf 1.1 over a million keys) and, at its worst for all of them, even traffic, where nearly every key is new. Then what it
// is of a whole torc: two, one of which counts, take turns of load with more keys than the sketch holds. CPU time;
// docs/decisions/0014-hot-keys.md stands on it.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { median } from './harness/cpu.ts';
import type { BenchOptions } from './harness/rounds.ts';
import type { Question, Truth } from './hot-keys/child.ts';
import { wholeTorc } from './hot-keys/whole.ts';

const SUBJECTS = ['none', 'sets', 'heap', 'heavy-keeper'];
const EXPONENTS = [1.1, 0];
/** What a whole request takes of a worker's CPU, roughly (docs/benchmarks.md). */
const REQUEST_NS = 50_000;

const FULL = { rounds: 41, requests: 200_000, truths: 1_200_000 };
const SHORT = { rounds: 9, requests: 50_000, truths: 300_000 };

export async function hotKeys(options: BenchOptions): Promise<object[]> {
  const { full, progress } = options;
  const { rounds, requests, truths } = full ? FULL : SHORT;
  const script = join(import.meta.dirname, 'hot-keys', 'child.ts');
  const children = SUBJECTS.map(name => fork(script, [name]));
  const rows: object[] = [];
  try {
    for (const exponent of EXPONENTS) {
      const times: number[][] = SUBJECTS.map(() => []);
      for (let round = -2; round < rounds; round++) {
        progress(`Zipf ${exponent}: round ${round + 1} of ${rounds}`);
        for (const [index, child] of children.entries()) {
          const ns = await ask<number>(child, { what: 'round', requests, exponent });
          // The first ones compile.
          if (round >= 0) times[index]!.push(ns);
        }
      }
      for (const [index, child] of children.entries()) {
        const added = times[index]!.map((ns, round) => ns - times[0]![round]!);
        const truth = await ask<Truth>(child, { what: 'truth', requests: truths, exponent });
        rows.push({
          keys: exponent === 0 ? 'even' : `Zipf ${exponent}`,
          sketch: SUBJECTS[index],
          'ns a request': Math.round(median(times[index]!)),
          'ns of it': Math.round(median(added)),
          '% of a request': Number(((100 * median(added)) / REQUEST_NS).toFixed(2)),
          ...(exponent === 0
            ? {}
            : {
                'of the top 10': truth.found,
                'worst error, %': Number((100 * truth.worst).toFixed(2)),
              }),
        });
      }
    }
  } finally {
    for (const child of children) child.kill();
  }
  return [...rows, ...(await wholeTorc(options))];
}

async function ask<Answer>(child: ChildProcess, question: Question): Promise<Answer> {
  child.send(question);
  const [answer] = (await once(child, 'message')) as [Answer];
  return answer;
}
