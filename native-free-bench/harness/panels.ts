// A chart that compares targets: their names down the left side, panels beside each other with one unit each, and in each
// panel one bar or dot per series. Names stay legible however many there are, which they would not under columns.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { COLORS, draw, frame, GREY, INK } from './chart.ts';

const WIDTH = 760;
const LEFT = 138;
const RIGHT = 40;
const GAP = 34;
const TOP = 92;
/** Axis and legend; without a legend the axis alone. */
const BOTTOM = 92;
const BOTTOM_BARE = 58;

export interface Panel {
  readonly name: string;
  readonly unit: string;
  /** Series name -> one figure per target; null: it has none. */
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
}

export interface Look {
  readonly title: string;
  readonly subtitle: string;
  /** Dots on a logarithmic axis, for what spans powers of ten; else bars from zero. */
  readonly dots?: boolean;
  /** With one series: figures behind the bars. */
  readonly figures?: boolean;
}

export function drawPanels(
  path: string,
  look: Look,
  targets: readonly string[],
  panels: readonly Panel[],
): void {
  const { title, subtitle, dots = false, figures = false } = look;
  const width = (WIDTH - LEFT - RIGHT - GAP * (panels.length - 1)) / panels.length;
  const left = (index: number): number => LEFT + index * (width + GAP);
  const rowHeight = dots ? 26 : 14 + 9 * Object.keys(panels[0]?.series ?? {}).length;
  const bottom = figures ? BOTTOM_BARE : BOTTOM;
  const height = TOP + bottom + rowHeight * targets.length;
  const option = {
    ...frame(title, subtitle),
    legend: { bottom: 14, itemGap: 30, textStyle: { fontSize: 12, color: INK }, show: !figures },
    graphic: panels.map(({ name }, i) => ({
      type: 'text',
      x: left(i) + width / 2,
      y: TOP - 24,
      style: { text: name, align: 'center', font: '600 13px Helvetica, Arial, sans-serif', fill: INK },
    })),
    grid: panels.map((_, i) => ({ left: left(i), width, top: TOP, bottom })),
    xAxis: panels.map(({ unit }, i) => ({
      ...(dots ? { type: 'log', ...decades(panels) } : { type: 'value' }),
      gridIndex: i,
      name: unit,
      nameLocation: 'middle',
      nameGap: 30,
      splitNumber: 4,
      nameTextStyle: { fontSize: 12, color: INK },
      axisLabel: { fontSize: 11, color: INK, hideOverlap: true, formatter: short },
      splitLine: { lineStyle: { color: '#e5e7eb' } },
    })),
    yAxis: panels.map((_, i) => ({
      type: 'category',
      gridIndex: i,
      inverse: true,
      data: [...targets],
      axisLabel: { show: i === 0, fontSize: 12, color: INK, interval: 0 },
      axisTick: { show: false },
      splitLine: { show: dots, lineStyle: { color: '#f0f1f3' } },
      axisLine: { lineStyle: { color: GREY } },
    })),
    series: panels.flatMap(({ series }, i) =>
      Object.entries(series).map(([name, data], at) => ({
        name,
        type: dots ? 'scatter' : 'bar',
        xAxisIndex: i,
        yAxisIndex: i,
        color: COLORS[at],
        data: dots ? data.map((value, row) => [value ?? '-', row]) : [...data],
        ...(dots
          ? { symbol: ['circle', 'triangle', 'rect', 'diamond'][at % 4], symbolSize: 9 }
          : { barGap: '8%', barCategoryGap: '26%' }),
        ...(figures
          ? { label: { show: true, position: 'right', fontSize: 11, color: INK, formatter: figureOf } }
          : {}),
      })),
    ),
  };
  save(path, draw(option, height));
}

/** The powers of ten around all figures: panels with one unit are read across. */
function decades(panels: readonly Panel[]): { min: number; max: number } {
  const all = panels.flatMap(({ series }) => Object.values(series).flat()).filter(value => value !== null);
  const logs = all.filter(value => value > 0).map(Math.log10);
  return { min: 10 ** Math.floor(Math.min(...logs)), max: 10 ** Math.ceil(Math.max(...logs)) };
}

export function save(path: string, svg: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, svg);
}

const figureOf = ({ value }: { value: number | null }): string => (value === null ? '' : short(value));

/** 1234567 -> 1.2M, 15000 -> 15k. */
function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}
