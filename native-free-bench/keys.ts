// What it costs to read a key from a body: the same POSTs of 4 KiB and 60 KiB, whose key stands in a field, at the beginning of the
// body and at its end, routed by one torc per source. Rounds are short and take turns, and what is told is the median of the
// differences of neighbours in time to the torc that reads the field. 4 KiB come in one read and go through the raw lane; 60 KiB
// stream. CPU time of all processes of a torc per request.

import { median } from './harness/cpu.ts';
import { type BenchOptions, countdown, rounded, sizeText, warmUp, withTargets } from './harness/rounds.ts';
import { torcKeyed } from './harness/targets.ts';

const SOURCES = ['header:x-key', 'json:/first', 'json:/last', 'body-prefix:256'];
const FULL = { rounds: 31, seconds: 0.5, warmUpSeconds: 6 };
const SHORT = { rounds: 5, seconds: 0.5, warmUpSeconds: 2 };
const SIZES = [4 * 1024, 60 * 1024];

export async function keys(options: BenchOptions): Promise<object[]> {
  const { rounds, seconds, warmUpSeconds } = options.full ? FULL : SHORT;
  return withTargets(SOURCES.map(torcKeyed), options, async bench => {
    const { targets } = bench;
    const tick = countdown(targets.length * (1 + SIZES.length * (rounds + 1)), options);
    await warmUp(bench, warmUpSeconds, tick);
    const rows: object[] = [];
    for (const keyedBytes of SIZES) {
      const us = targets.map(() => [] as number[]);
      for (let round = -1; round < rounds; round++) {
        for (let turn = 0; turn < targets.length; turn++) {
          // Who begins takes turns, too.
          const index = (turn + round + 1) % targets.length;
          const load = { method: 'POST', keyedBytes, connections: 16 } as const;
          const { cpuUsPerRequest, errors } = await bench.closed(targets[index]!, seconds, load);
          if (errors > 0) throw new Error(`${targets[index]!.name}: ${errors} errors`);
          // The first one warms up.
          if (round >= 0) us[index]!.push(cpuUsPerRequest);
          tick(`${targets[index]!.name}: ${cpuUsPerRequest.toFixed(1)} us`);
        }
      }
      for (const [index, target] of targets.entries()) {
        const ratios = us[index]!.map((one, round) => one / us[0]![round]!);
        rows.push({
          body: sizeText(keyedBytes),
          key: target.name,
          'us a request': rounded(median(us[index]!)),
          'more than by the field, %': rounded(100 * (median(ratios) - 1)),
        });
      }
    }
    return rows;
  });
}
