// The charts of docs/analysis.md: what each shows, and how its numbers are read from the results. How a chart looks is
// harness/chart.ts.

import {
  COLORS,
  categories,
  dashed,
  draw,
  frame,
  GREY,
  INK,
  line,
  type Option,
  values,
} from '../harness/chart.ts';
import { BIN_MS, type Bin, type Failure, PER_SECOND } from './failure.ts';
import { HASH_NAMES } from './hashes.ts';
import { POINTS, RINGS, SIZES, type Spread } from './rings.ts';
import type { Results } from './run.ts';

/** The seed project's own "Test 1" of 10,000 requests, as it published it: 149 are missing. */
export const SEED_PUBLISHED = [3596, 3362, 2893] as const;

/** What a point means above its mean: 1.02 of the mean is 2 %. */
const excess = (spread: { readonly maxToMean: number }): number => 100 * (spread.maxToMean - 1);
const tidy = (value: number): number => Number(value.toPrecision(3));

/** File name (without .svg) -> SVG text. */
export function drawAll(results: Results): Record<string, string> {
  const { failures } = results.a3;
  const timeline = (fault: string): Record<string, string> => {
    const failure = failures.find(one => one.fault === fault);
    return failure === undefined ? {} : { [`a3-${fault}`]: draw(failureChart(failure), 480) };
  };
  return {
    'a1-counts': draw(countsChart(results)),
    'a2-load': draw(loadChart(results)),
    'a2-balance': draw(balanceChart(results)),
    'a2-latency': draw(latencyChart(results)),
    ...timeline('kill'),
    ...timeline('hang'),
    'a4-rings': draw(ringsChart(results)),
    'a4-hashes': draw(hashesChart(results)),
    'a4-phi': draw(phiChart(results)),
    'a4-points': draw(pointsChart(results)),
    'a4-moved': draw(movedChart(results)),
  };
}

function countsChart({ a1, replays, requests }: Results): Option {
  const bars = (name: string, data: readonly number[], index: number): object => ({
    name,
    type: 'bar',
    data,
    barGap: '12%',
    barCategoryGap: '24%',
    itemStyle: { color: COLORS[index] },
    label: { show: true, position: 'top', fontSize: 11, color: INK },
  });
  const mean = requests / 3;
  return {
    ...frame('A-1: requests answered by each replica', `N = 3, ${grouped(requests)} asynchronous requests`),
    xAxis: categories('replica', ['1', '2', '3']),
    yAxis: values('requests'),
    series: [
      bars('torc, ids in order', a1.sequential.counts, 0),
      bars('torc, random ids', a1.random.counts, 5),
      bars("seed's ring, on torc", replays.seed.counts, 1),
      {
        ...bars('seed, as published', SEED_PUBLISHED, 4),
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { color: GREY, type: 'dashed' },
          label: { formatter: 'mean', position: 'insideEndTop', color: GREY },
          data: [{ yAxis: Math.round(mean) }],
        },
      },
    ],
  };
}

function loadChart({ a2, requests }: Results): Option {
  const counts = a2.map(({ sequential }) => sequential.counts);
  return {
    ...frame(
      'A-2: load of a replica',
      `${grouped(requests)} requests, ids 1, 2, 3, ...; the mean is ${grouped(requests)} / N whatever the ring does`,
    ),
    xAxis: categories('replicas (N)', SIZES),
    yAxis: values('requests per replica'),
    series: [
      line(
        'busiest',
        counts.map(all => Math.max(...all)),
        1,
        { color: COLORS[1] },
      ),
      line(
        'mean',
        a2.map(({ n }) => Math.round(requests / n)),
        0,
        { color: COLORS[0], label: { show: true, position: 'top', fontSize: 11, color: INK } },
      ),
      line(
        'idlest',
        counts.map(all => Math.min(...all)),
        2,
        { color: COLORS[2] },
      ),
    ],
  };
}

function balanceChart({ a2, a4, requests }: Results): Option {
  const seedRing = a4.rings.find(({ ring }) => ring === 'seed')!;
  const overMean = (spreads: readonly { readonly maxToMean: number }[]): number[] =>
    spreads.map(spread => tidy(excess(spread)));
  const ofCounts = (counts: readonly number[]): { maxToMean: number } => ({
    maxToMean: Math.max(...counts) / (counts.reduce((sum, count) => sum + count, 0) / counts.length),
  });
  return {
    ...frame(
      'A-2: how much more than the mean the busiest replica gets',
      `${grouped(requests)} requests; "chance" is the mean of 200 perfectly random throws`,
    ),
    xAxis: categories('replicas (N)', SIZES),
    yAxis: values('above the mean (%)'),
    series: [
      line('torc, ids in order', overMean(a2.map(({ sequential }) => ofCounts(sequential.counts))), 0),
      line('torc, random ids', overMean(a2.map(({ random }) => ofCounts(random.counts))), 2, {
        color: COLORS[5],
      }),
      line("seed's ring, ids in order", overMean(seedRing.sequential), 1, { color: COLORS[1] }),
      line('chance', overMean(a4.chance), 0, dashed),
    ],
  };
}

function latencyChart({ a2, driver }: Results): Option {
  const ms = (us: number): number => tidy(us / 1000);
  return {
    ...frame(
      'A-2: latency in a closed loop of 64 requests in flight',
      `random ids; replicas by the ${driver} driver, client, torc and replicas on one machine`,
    ),
    xAxis: categories('replicas (N)', SIZES),
    yAxis: values('milliseconds', { min: 0 }),
    series: [
      line(
        'p50',
        a2.map(({ random }) => ms(random.load.p50Us)),
        0,
        { label: { show: true, position: 'top', fontSize: 11, color: INK } },
      ),
      line(
        'p99',
        a2.map(({ random }) => ms(random.load.p99Us)),
        1,
        { label: { show: true, position: 'top', fontSize: 11, color: INK } },
      ),
    ],
  };
}

const FAULT_TITLE: Readonly<Record<string, string>> = {
  kill: 'A-3: the replica of slot 2 is killed',
  hang: 'A-3: the replica of slot 2 stops answering',
};

/** Two panels over one time axis: who answered (stacked: the top is all answers), and how long the slowest took. */
function failureChart(failure: Failure): Option {
  const { bins, fault, failed, asked } = failure;
  const first = Math.min(0, ...bins.map(bin => bin.fromMs));
  const last = Math.max(...bins.map(bin => bin.fromMs));
  const byStart = new Map(bins.map(bin => [bin.fromMs, bin]));
  const starts = Array.from({ length: (last - first) / BIN_MS + 1 }, (_, index) => first + index * BIN_MS);
  // A bin is drawn at its middle.
  const overTime = (value: (bin: Bin) => number): [number, number][] =>
    starts.map(start => {
      const bin = byStart.get(start);
      return [(start + BIN_MS / 2) / 1000, bin === undefined ? 0 : value(bin)];
    });
  const area = (slot: string, index: number): object => ({
    name: `slot ${slot}`,
    type: 'line',
    stack: 'answers',
    symbol: 'none',
    lineStyle: { width: 0 },
    areaStyle: { opacity: 0.85 },
    color: COLORS[index],
    data: overTime(bin => (bin.answered[slot] ?? 0) * (1000 / BIN_MS)),
    ...(slot === '2' ? { markLine: momentsOf(failure) } : {}),
  });
  const slowest = {
    name: 'slowest answer',
    type: 'line',
    step: 'middle',
    symbol: 'none',
    lineStyle: { width: 1.5 },
    areaStyle: { opacity: 0.3 },
    color: GREY,
    xAxisIndex: 1,
    yAxisIndex: 1,
    data: overTime(bin => bin.slowestMs),
  };
  const time = {
    type: 'value',
    min: first / 1000,
    max: (last + BIN_MS) / 1000,
    axisLine: { onZero: false },
    splitLine: { show: false },
    nameTextStyle: { fontSize: 12, color: INK },
  };
  const labels = { fontSize: 12, color: INK, showMinLabel: false, showMaxLabel: false };
  return {
    ...frame(
      FAULT_TITLE[fault] ?? fault,
      `${grouped(asked)} requests, ${PER_SECOND} a second, ${failed} failed; ${failure.cause}`,
    ),
    legend: { bottom: 10, textStyle: { fontSize: 12, color: INK }, itemGap: 34, icon: 'roundRect' },
    grid: [
      { left: 72, right: 36, top: 112, height: 150 },
      { left: 72, right: 36, top: 300, height: 84 },
    ],
    xAxis: [
      { ...time, axisLabel: { show: false } },
      {
        ...time,
        axisLabel: labels,
        gridIndex: 1,
        name: 'seconds since the fault',
        nameLocation: 'middle',
        nameGap: 28,
      },
    ],
    yAxis: [
      values('answers/s', { min: 0, axisLine: { show: false }, axisTick: { show: false } }),
      values('slowest (ms)', {
        gridIndex: 1,
        splitNumber: 2,
        min: 0,
        axisLine: { show: false },
        axisTick: { show: false },
      }),
    ],
    series: [area('1', 5), area('3', 2), area('2', 1), slowest],
  };
}

/** The blow, out of routing, back in routing; the middle label stands higher, for the first two may be close. */
function momentsOf({ outMs, backMs }: Failure): object {
  const moment = (ms: number, text: string, distance: number): object => ({
    xAxis: ms / 1000,
    label: { formatter: text, distance },
  });
  return {
    silent: true,
    symbol: 'none',
    lineStyle: { color: INK, type: 'dashed' },
    label: { color: INK, fontSize: 11 },
    data: [
      moment(0, 'fault', 4),
      moment(outMs, `out of routing, ${grouped(outMs)} ms`, 18),
      moment(backMs, `back, ${grouped(backMs)} ms`, 4),
    ],
  };
}

const logPercent = (name: string): object =>
  values(name, { type: 'log', nameGap: 54, axisLabel: { fontSize: 12, color: INK, formatter: '{value} %' } });

function ringsChart({ a4, requests }: Results): Option {
  const overMean = (spreads: readonly { readonly maxToMean: number }[]): number[] =>
    spreads.map(spread => tidy(Math.max(0.1, excess(spread))));
  return {
    ...frame(
      'A-4: the busiest slot above the mean, for each ring',
      `${grouped(requests)} ids 1, 2, 3, ..., each ring with its own hash; logarithmic`,
    ),
    xAxis: categories('replicas (N)', SIZES),
    yAxis: logPercent('above the mean'),
    series: [
      ...a4.rings.map(({ ring, sequential }, index) => line(ring, overMean(sequential), index)),
      line('chance', overMean(a4.chance), 0, dashed),
    ],
  };
}

/** A grid of percentages; the colour scale ends at 50 %, beyond which all are equally bad. */
function grid(
  option: Option,
  columns: readonly string[],
  rows: readonly string[],
  cells: readonly [number, number, number][],
  names: { readonly x: string; readonly y: string },
): Option {
  return {
    ...option,
    legend: { show: false },
    grid: { left: 132, right: 28, top: 84, bottom: 64 },
    xAxis: { ...categories(names.x, columns), splitArea: { show: false } },
    yAxis: { ...categories(names.y, rows), nameGap: 104, inverse: true },
    visualMap: {
      show: false,
      min: 0,
      max: 50,
      dimension: 2,
      inRange: { color: ['#fff7ed', '#fdd9b5', '#f3a765', '#e07b2a'] },
    },
    series: [
      {
        type: 'heatmap',
        data: cells,
        itemStyle: { borderColor: '#ffffff', borderWidth: 2 },
        label: {
          show: true,
          fontSize: 13,
          color: '#111827',
          formatter: ({ value }: { value: readonly number[] }) => percentText(value[2]!),
        },
      },
    ],
  };
}

const percentText = (percent: number): string => `${percent.toFixed(percent < 10 ? 1 : 0)} %`;

const at3 = (spreads: readonly Spread[]): number => tidy(excess(spreads.find(({ n }) => n === 3)!));

function hashesChart({ a4 }: Results): Option {
  return grid(
    frame('A-4: the busiest slot above the mean, ring by key hash', 'N = 3, ids 1, 2, 3, ...'),
    HASH_NAMES,
    RINGS,
    a4.ringByHash.map(({ ring, hash, sequential }) => [
      HASH_NAMES.indexOf(hash),
      RINGS.indexOf(ring),
      at3(sequential),
    ]),
    { x: 'hash of the key', y: 'ring' },
  );
}

function phiChart({ a4 }: Results): Option {
  return grid(
    frame(
      "A-4: other H and Phi on the assignment's ring",
      'the busiest slot above the mean; 512 places, 9 points a slot, N = 3, ids 1, 2, 3, ...',
    ),
    HASH_NAMES.map(name => name.replace('assignment H', 'assignment Phi')),
    HASH_NAMES,
    a4.hByPhi.map(({ h, phi, sequential }) => [
      HASH_NAMES.indexOf(phi),
      HASH_NAMES.indexOf(h),
      at3(sequential),
    ]),
    { x: 'Phi (where points go)', y: 'H (where requests go)' },
  );
}

function pointsChart({ a4 }: Results): Option {
  const series = [3, 6].flatMap((n, group) => {
    const rows = a4.points.filter(row => row.n === n);
    const over = (pick: (row: (typeof rows)[number]) => number): number[] =>
      rows.map(row => tidy(100 * (pick(row) - 1)));
    return [
      line(
        `N = ${n}, mean`,
        over(row => row.mean),
        group,
        { color: COLORS[group] },
      ),
      line(
        `N = ${n}, worst`,
        over(row => row.worst),
        group,
        { color: COLORS[group], lineStyle: { width: 1.5, type: 'dotted' } },
      ),
    ];
  });
  return {
    ...frame(
      'A-4: more points even out the clockwise ring, slowly',
      'the busiest slot above the mean, over 20 sets of names; Murmur3 as Phi, 65,536 places; logarithmic',
    ),
    xAxis: categories('points a slot', POINTS),
    yAxis: logPercent('above the mean'),
    series,
  };
}

function movedChart({ a4 }: Results): Option {
  const percent = (share: number): number => Number((100 * share).toFixed(1));
  const changes = a4.rings[0]!.movements;
  const bars = (name: string, pick: (index: number) => number, color: string | undefined): object => ({
    name,
    type: 'bar',
    barGap: '8%',
    data: changes.map((_, index) => percent(pick(index))),
    itemStyle: { color },
    label: {
      show: true,
      position: 'top',
      fontSize: 10,
      color: INK,
      rotate: 90,
      align: 'left',
      verticalAlign: 'middle',
      distance: 6,
    },
  });
  return {
    ...frame(
      'A-4: keys that change their slot when N changes',
      'share of ids 1, 2, 3, ...; less than the optimum means the ring was out of balance before or after',
    ),
    xAxis: categories(
      'change of N',
      changes.map(({ from, to }) => `${from} to ${to}`),
    ),
    yAxis: values('keys moved (%)', { max: 40 }),
    series: [
      bars('optimum', index => changes[index]!.optimum, '#9ca3af'),
      ...a4.rings.map(({ ring, movements }, index) =>
        bars(ring, change => movements[change]!.moved, COLORS[index]),
      ),
    ],
  };
}

export const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');
