// What large answers cost: 1 KiB to 16 MiB, closed loop, as many connections as keep about 16 MiB of answers under way.
// The generator reads every byte on the core that also sends them, so requests/s and MiB/s end at what `direct` has; the
// balancer's CPU time per request has no such bound. Answers cut off by the end of a round cost CPU time and do not count,
// which is within 5 % for the largest.

import { COLORS, categories, draw, frame, GREY, INK, line, values } from './harness/chart.ts';
import { save } from './harness/panels.ts';
import {
  type BenchOptions,
  countdown,
  inTurns,
  type Result,
  rounded,
  type Step,
  sizeText,
  warmUp,
  withTargets,
} from './harness/rounds.ts';
import { balancers, direct, seedShape } from './harness/targets.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const UNDER_WAY_BYTES = 16 * MIB;
const FULL = {
  sizes: [KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB],
  rounds: 2,
  seconds: 2,
  warmUpSeconds: 3,
};
const SHORT = { sizes: [KIB, 64 * KIB, MIB], rounds: 1, seconds: 0.8, warmUpSeconds: 1 };

interface Case extends Step {
  readonly bytes: number;
}

export async function bodies(options: BenchOptions): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const results = await withTargets([...balancers, direct, seedShape], options, async bench => {
    const tick = countdown(bench.targets.length * (1 + size.sizes.length * size.rounds), options);
    await warmUp(bench, size.warmUpSeconds, tick);
    const all: Result<Case>[] = [];
    for (const bytes of size.sizes) {
      await bench.origin.setBodyBytes(bytes);
      const connections = Math.max(4, Math.min(64, UNDER_WAY_BYTES / bytes));
      const step: Case = {
        bytes,
        name: sizeText(bytes),
        measure: target => bench.closed(target, size.seconds, { connections }),
      };
      all.push(...(await inTurns(bench.targets, [step], size.rounds, tick)));
    }
    return all;
  });
  if (options.chartPath !== null) chart(options.chartPath, results, size.sizes);
  return results.map(({ step, target, merged }) => ({
    body: step.name,
    target: target.name,
    'requests/s': Number(merged.perSecond.toPrecision(4)),
    'MiB/s': Number(((merged.perSecond * step.bytes) / MIB).toPrecision(3)),
    'CPU us/request': target.name === direct.name ? null : rounded(merged.cpuUsPerRequest),
    errors: merged.errors,
  }));
}

const PALETTE = [...COLORS, INK, '#8a6d3b'];

/** Ceiling and floor are grey, so that what is compared has the colours. */
function styleOf(name: string, index: number): object {
  if (name === direct.name) return { color: GREY, lineStyle: { width: 2, type: 'dashed' } };
  if (name === seedShape.name) return { color: GREY, lineStyle: { width: 2, type: 'dotted' } };
  return { color: PALETTE[index % PALETTE.length] };
}

/** Two panels over one axis of sizes. */
function chart(path: string, results: readonly Result<Case>[], sizes: readonly number[]): void {
  const targets = [...new Set(results.map(({ target }) => target))];
  const lines = (panel: number, pick: (result: Result<Case>) => number | null): object[] =>
    targets.map((target, i) =>
      line(target.name, results.filter(result => result.target === target).map(pick), i, {
        xAxisIndex: panel,
        yAxisIndex: panel,
        symbolSize: 6,
        ...styleOf(target.name, i),
      }),
    );
  const names = sizes.map(sizeText);
  const log = { type: 'log', nameGap: 58 };
  const look = frame(
    'Bodies: what large answers cost',
    'closed loop; "direct" is what load and replicas can do without a balancer; logarithmic',
  );
  const option = {
    ...look,
    legend: { bottom: 12, itemGap: 16, textStyle: { fontSize: 12, color: INK }, width: 640 },
    grid: [
      { left: 84, right: 28, top: 72, height: 190 },
      { left: 84, right: 28, top: 296, height: 190 },
    ],
    xAxis: [
      { ...categories('', names), axisLabel: { show: false } },
      { ...categories('size of the answer', names), gridIndex: 1 },
    ],
    yAxis: [values('MiB per second', log), values('CPU us per request', { ...log, gridIndex: 1 })],
    series: [
      ...lines(0, ({ step, merged }) => positive((merged.perSecond * step.bytes) / MIB)),
      ...lines(1, ({ merged }) => positive(merged.cpuUsPerRequest)),
    ],
  };
  save(path, draw(option, 600));
}

/** A logarithmic axis has no place for zero. */
const positive = (value: number): number | null => (value > 0 ? value : null);
