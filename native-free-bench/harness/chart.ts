// How every chart of ours looks, drawn by echarts as SVG text without a browser. Each is a light card of its own, so it
// reads the same on a light and on a dark page; colours are Okabe and Ito's, which colour-blind people tell apart, and
// lines differ by their marks as well.

import * as echarts from 'echarts';

const WIDTH = 760;
const HEIGHT = 400;
export const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
export const GREY = '#6b7280';
export const INK = '#1f2937';
const MARKS = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'emptyCircle'];

export type Option = echarts.EChartsCoreOption;

/** SVG text. */
export function draw(option: Option, height = HEIGHT): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({ ...option, animation: false, backgroundColor: '#ffffff' });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // echarts says neither that it is a picture nor of what, and styles for the mouse mean nothing on a page.
  const [{ text }] = [option.title].flat() as [{ text: string }];
  const still = svg.replace(/<style ><!\[CDATA\[[\s\S]*?\]\]>\s*<\/style>\s*/, '');
  return `${still.replace(/<svg ([^>]*)>/, `<svg role="img" style="border-radius:8px" $1>\n<title>${text}</title>`)}\n`;
}

export function frame(title: string, subtitle: string): Option {
  return {
    color: COLORS,
    textStyle: { fontFamily: 'Helvetica, Arial, sans-serif', color: INK },
    title: {
      text: title,
      subtext: subtitle,
      left: 16,
      top: 12,
      textStyle: { fontSize: 16, color: INK },
      subtextStyle: { fontSize: 12, color: GREY },
    },
    legend: { bottom: 10, textStyle: { fontSize: 12, color: INK }, itemGap: 34 },
    grid: { left: 72, right: 28, top: 84, bottom: 84 },
  };
}

const axisText = { axisLabel: { fontSize: 12, color: INK }, nameTextStyle: { fontSize: 12, color: INK } };

export const categories = (name: string, data: readonly (string | number)[]): object => ({
  type: 'category',
  name,
  nameLocation: 'middle',
  nameGap: 30,
  data: data.map(String),
  ...axisText,
});

export const values = (name: string, more: object = {}): object => ({
  type: 'value',
  name,
  nameLocation: 'middle',
  nameGap: 52,
  splitLine: { lineStyle: { color: '#e5e7eb' } },
  ...axisText,
  ...more,
});

export const line = (name: string, data: readonly unknown[], index: number, more: object = {}): object => ({
  name,
  type: 'line',
  data,
  symbol: MARKS[index % MARKS.length],
  symbolSize: 8,
  lineStyle: { width: 2 },
  ...more,
});

export const dashed = { lineStyle: { width: 2, type: 'dashed' }, symbol: 'none', color: GREY };
