// The picture of a soak: panels below each other over one axis of minutes. On top when what was done to torc; then what its
// clients saw, and what its processes had. What leaks is a line that climbs.

import { COLORS, draw, frame, INK } from '../harness/chart.ts';
import type { Trouble } from './accounts.ts';

const LEFT = 92;
const TOP = 74;
const PANEL = 84;
const GAP = 40;
const BOTTOM = 56;

export interface Sample {
  readonly atMs: number;
  readonly answersPerS: number;
  readonly p99Ms: number;
  readonly primaryMiB: number;
  readonly workersMiB: number;
  readonly descriptors: number;
  readonly timers: number;
  readonly logKiB: number;
}

const PANELS: readonly (readonly [title: string, lines: Readonly<Record<string, keyof Sample>>])[] = [
  ['answers per second', { answers: 'answersPerS' }],
  ['p99 of small requests, ms', { p99: 'p99Ms' }],
  ['memory, MiB: primary, all workers', { primary: 'primaryMiB', workers: 'workersMiB' }],
  ['descriptors of all processes', { descriptors: 'descriptors' }],
  ['timers of the primary', { timers: 'timers' }],
  ['log, KiB', { log: 'logKiB' }],
];

export function soakSvg(
  title: string,
  subtitle: string,
  samples: readonly Sample[],
  troubles: readonly Trouble[],
): string {
  const zeroMs = samples[0]?.atMs ?? 0;
  const minutes = (ms: number): number => Math.round((ms - zeroMs) / 600) / 100;
  const most = minutes(samples.at(-1)?.atMs ?? 0);
  const kinds = [...new Set(troubles.map(({ kind }) => kind))].sort();
  const count = PANELS.length + 1;
  const topOf = (index: number): number => TOP + 14 + index * (PANEL + GAP);
  const titles = ['what was done', ...PANELS.map(([name]) => name)];
  const option = {
    ...frame(title, subtitle),
    legend: { show: false },
    graphic: titles.map((text, index) => ({
      type: 'text',
      x: LEFT,
      y: topOf(index) - 18,
      style: { text, font: '600 12px Helvetica, Arial, sans-serif', fill: INK },
    })),
    grid: titles.map((_, index) => ({ left: LEFT, right: 28, top: topOf(index), height: PANEL })),
    xAxis: titles.map((_, index) => ({
      type: 'value',
      gridIndex: index,
      min: 0,
      max: most,
      axisLabel: { show: index === count - 1, fontSize: 11, color: INK },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: '#f0f1f3' } },
      ...(index === count - 1 ? { name: 'minutes', nameLocation: 'middle', nameGap: 26 } : {}),
    })),
    yAxis: titles.map((_, index) => ({
      type: index === 0 ? 'category' : 'value',
      gridIndex: index,
      ...(index === 0 ? { data: kinds } : { min: 0, splitNumber: 3 }),
      // Every kind has its name, however narrow the rows.
      axisLabel: { fontSize: 10, color: INK, ...(index === 0 ? { interval: 0 } : {}) },
      splitLine: { lineStyle: { color: '#e5e7eb' } },
    })),
    series: [
      {
        type: 'scatter',
        xAxisIndex: 0,
        yAxisIndex: 0,
        symbolSize: 4,
        color: COLORS[1],
        data: troubles.map(({ kind, fromMs }) => [minutes(fromMs), kinds.indexOf(kind)]),
      },
      ...PANELS.flatMap(([, lines], index) =>
        Object.entries(lines).map(([name, field], at) => ({
          name,
          type: 'line',
          xAxisIndex: index + 1,
          yAxisIndex: index + 1,
          color: COLORS[at],
          showSymbol: false,
          lineStyle: { width: 1.2 },
          data: samples.map(sample => [minutes(sample.atMs), sample[field]]),
        })),
      ),
    ],
  };
  return draw(option, topOf(count) - GAP + BOTTOM);
}
