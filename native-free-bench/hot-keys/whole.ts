// What counting hot keys is of a whole torc: two with one worker each, one of which counts, take turns of load with four
// times as many keys as the sketch holds, evenly, which is its worst: nearly every request takes an entry over. CPU time of
// all its processes per request; a difference is one of neighbours in time, because a machine's moods last longer.

import { median } from '../harness/cpu.ts';
import { type BenchOptions, countdown, rounded, warmUp, withTargets } from '../harness/rounds.ts';
import { torcHotKeys, torcNoHotKeys } from '../harness/targets.ts';

const FULL = { rounds: 81, seconds: 0.5, warmUpSeconds: 10 };
const SHORT = { rounds: 3, seconds: 1, warmUpSeconds: 3 };

export async function wholeTorc(options: BenchOptions): Promise<object[]> {
  const { rounds, seconds, warmUpSeconds } = options.full ? FULL : SHORT;
  return withTargets([torcHotKeys, torcNoHotKeys], options, async bench => {
    const [counting, plain] = bench.targets;
    const tick = countdown(2 + 2 * rounds, options);
    await warmUp(bench, warmUpSeconds, tick);
    const us: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      // Who begins takes turns, too.
      const order = round % 2 === 0 ? [counting!, plain!] : [plain!, counting!];
      for (const target of order) {
        const { cpuUsPerRequest } = await bench.closed(target, seconds);
        us[target === counting ? 0 : 1].push(cpuUsPerRequest);
        tick(`${target.name}: ${cpuUsPerRequest.toFixed(2)} us`);
      }
    }
    const added = median(us[0].map((one, round) => one - us[1][round]!));
    return [
      {
        keys: 'whole torc',
        sketch: 'sets',
        'us a request': rounded(median(us[0])),
        'us without': rounded(median(us[1])),
        'ns of it': Math.round(added * 1000),
        '% of a request': Number(((100 * added) / median(us[1])).toFixed(2)),
      },
    ];
  });
}
