// docs/benchmarks/ring.svg: the four things that a ring is chosen by, over the number of slots. The two historical rings
// are left out, which end at 10 and 56 slots.

import { categories, dashed, draw, frame, INK, line, type Option, values } from '../harness/chart.ts';
import type { Facts } from './child.ts';

export interface Measured extends Facts {
  readonly n: number;
  readonly ring: string;
  readonly fewNs: number;
  readonly manyNs: number;
  /** max/mean of as many keys thrown at random: no ring is better but by luck. */
  readonly chance: number;
}

interface Panel {
  readonly unit: string;
  readonly value: (row: Measured) => number;
}

const PANELS: readonly Panel[] = [
  { unit: 'lookup (ns)', value: row => row.manyNs },
  { unit: 'memory (KiB)', value: row => row.bytes / 1024 },
  { unit: 'one slot less (ms)', value: row => row.removeMs },
  { unit: 'busiest above the mean (%)', value: row => 100 * (row.random - 1) },
];
const LEFT = [76, 456];
const TOP = [84, 332];
const LEFT_OUT = ['assignment', 'seed'];

export function drawRings(rows: readonly Measured[], manyKeys: number): string {
  const counts = [...new Set(rows.map(row => row.n))];
  const rings = [...new Set(rows.map(row => row.ring))].filter(name => !LEFT_OUT.includes(name));
  const at = (index: number): object => ({ xAxisIndex: index, yAxisIndex: index });
  const overCounts = (ring: string, { value }: Panel): (number | null)[] =>
    counts.map(n => {
      const row = rows.find(one => one.n === n && one.ring === ring);
      return row === undefined ? null : Number(value(row).toPrecision(3));
    });
  const chance = counts.map(n => Number((100 * (rows.find(row => row.n === n)!.chance - 1)).toPrecision(3)));
  const option: Option = {
    ...frame(
      'Rings: cost and balance, 3 to 1000 slots',
      `CPU time; ${manyKeys / 1000},000 keys in turn (hashring caches 5,000); spread of 10,000 (chance: thrown at random); logarithmic`,
    ),
    legend: { bottom: 12, itemGap: 14, textStyle: { fontSize: 12, color: INK } },
    grid: PANELS.map((_, index) => ({
      left: LEFT[index % 2],
      top: TOP[index >> 1],
      width: 280,
      height: 170,
    })),
    xAxis: PANELS.map((_, index) => ({ ...categories('slots (N)', counts), gridIndex: index })),
    yAxis: PANELS.map(({ unit }, index) => values(unit, { type: 'log', gridIndex: index, nameGap: 54 })),
    series: [
      ...PANELS.flatMap((panel, index) =>
        rings.map((ring, place) => line(ring, overCounts(ring, panel), place, at(index))),
      ),
      line('chance', chance, 0, { ...dashed, ...at(PANELS.length - 1) }),
    ],
  };
  return draw(option, 604);
}
