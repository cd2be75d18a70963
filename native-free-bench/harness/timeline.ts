// The picture of one kill: answers per second of each slot as stacked areas, bars below for what was not answered with
// 200, and a line for each thing that happened. Plain SVG text with its colours in CSS, so that it is legible in a dark page too and a
// change of it is a readable diff. Colours: Okabe and Ito, "Color Universal Design" (2008), told apart by everybody.

import type { ControlEvent } from '../../src/control/journal.ts';
import { BUCKET_MS, type LoadReport } from '../../test/support/load.ts';

const BEFORE_MS = 1_000;
const AFTER_MS = 2_000;
const WIDTH = 860;
const PLOT = { left: 64, top: 64, width: 772, height: 220 };
const LOST_HEIGHT = 36;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .axis { stroke: #1f2328; stroke-opacity: .35 }
  .grid { stroke: #1f2328; stroke-opacity: .12 }
  .mark { stroke: #1f2328; stroke-dasharray: 4 3 }
  .s0 { fill: #0072b2 } .s1 { fill: #e69f00 } .s2 { fill: #009e73 } .lost { fill: #d55e00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .axis, .grid, .mark { stroke: #e6edf3 }
    .s0 { fill: #56b4e9 } .s2 { fill: #2bc79b } .lost { fill: #ff7b4a }
  }`;

interface Mark {
  readonly atMs: number;
  readonly text: string;
}

export function timelineSvg(
  report: LoadReport,
  strike: { readonly slot: string; readonly atMs: number },
  changes: readonly ControlEvent[],
): string {
  const zero = strike.atMs - report.startedAtMs;
  const first = Math.max(0, Math.floor((zero - BEFORE_MS) / BUCKET_MS));
  const buckets = report.timeline.slice(first, Math.ceil((zero + AFTER_MS) / BUCKET_MS));
  const slots = [...new Set(buckets.flatMap(bucket => Object.keys(bucket.slots)))].sort();
  const perSecond = 1000 / BUCKET_MS;
  const totals = buckets.map(bucket => slots.reduce((sum, slot) => sum + (bucket.slots[slot] ?? 0), 0));
  const top = niceTop(Math.max(1, ...totals) * perSecond);
  const x = (index: number): number => PLOT.left + (index / (buckets.length - 1)) * PLOT.width;
  const y = (rate: number): number => PLOT.top + PLOT.height * (1 - rate / top);
  const xOfMs = (ms: number): number => x((ms - first * BUCKET_MS) / BUCKET_MS - 0.5);
  const base = buckets.map(() => 0);
  const areas = slots.map((slot, index) => {
    const lower = base.map((value, at) => point(x(at), y(value)));
    buckets.forEach((bucket, at) => {
      base[at]! += (bucket.slots[slot] ?? 0) * perSecond;
    });
    const upper = base.map((value, at) => point(x(at), y(value)));
    return `<polygon class="s${index % 3}" points="${[...upper, ...lower.reverse()].join(' ')}"/>`;
  });
  const marks = marksOf(strike, changes).filter(({ atMs }) => atMs - strike.atMs < AFTER_MS);
  const lostTop = PLOT.top + PLOT.height + 34;
  const bars = buckets.map((bucket, at) => bar(bucket.lost + bucket.begun, x(at), lostTop));
  const count = (kind: 'lost' | 'begun'): number => buckets.reduce((sum, bucket) => sum + bucket[kind], 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} 384" role="img" aria-label="Requests per second per slot around one kill">
<style>${STYLE}
</style>
<text class="title" x="${PLOT.left}" y="22">Replica of slot ${strike.slot} killed at 0 s: answers per second, by slot</text>
${legend(slots)}
${gridOf(top, y)}
${areas.join('\n')}
${timeAxis(xOfMs, zero)}
<text x="${PLOT.left}" y="${lostTop + LOST_HEIGHT + 14}">requests lost: ${count('lost')}; POSTs that had begun at the dead replica, answered with 502: ${count('begun')}</text>
${bars.join('')}
<line class="axis" x1="${PLOT.left}" x2="${PLOT.left + PLOT.width}" y1="${lostTop + LOST_HEIGHT}" y2="${lostTop + LOST_HEIGHT}"/>
${marks.map((mark, at) => drawMark(mark, at, xOfMs(mark.atMs - report.startedAtMs))).join('\n')}
</svg>
`;
}

function marksOf(strike: { slot: string; atMs: number }, changes: readonly ControlEvent[]): Mark[] {
  const after = changes.filter(({ slot, atMs }) => slot === strike.slot && atMs >= strike.atMs);
  const out = after.find(({ from }) => from === 'ready');
  const back = after.find(({ to, seq }) => to === 'ready' && out !== undefined && seq > out.seq);
  const marks: Mark[] = [];
  const sinceMs = (event: ControlEvent): number => Math.max(0, Math.round(event.atMs - strike.atMs));
  if (out) marks.push({ atMs: out.atMs, text: `out of routing (${out.source}), ${sinceMs(out)} ms` });
  if (back) marks.push({ atMs: back.atMs, text: `ready again, ${sinceMs(back)} ms` });
  return marks;
}

function drawMark({ text }: Mark, index: number, at: number): string {
  const top = PLOT.top - 14 + index * 18;
  const bottom = PLOT.top + PLOT.height;
  return `<line class="mark" x1="${round(at)}" x2="${round(at)}" y1="${top}" y2="${bottom}"/><text x="${round(at) + 5}" y="${top + 10}">${text}</text>`;
}

function legend(slots: readonly string[]): string {
  const entries = slots.map((slot, index) => {
    const left = PLOT.left + index * 80;
    return `<rect class="s${index % 3}" x="${left}" y="34" width="11" height="11"/><text x="${left + 17}" y="44">slot ${slot}</text>`;
  });
  return entries.join('');
}

function gridOf(top: number, y: (rate: number) => number): string {
  const lines = [0, 0.25, 0.5, 0.75, 1].map(share => {
    const at = round(y(top * share));
    return `<line class="${share === 0 ? 'axis' : 'grid'}" x1="${PLOT.left}" x2="${PLOT.left + PLOT.width}" y1="${at}" y2="${at}"/><text x="${PLOT.left - 8}" y="${at + 4}" text-anchor="end">${Math.round(top * share)}</text>`;
  });
  return lines.join('\n');
}

function timeAxis(xOfMs: (ms: number) => number, zero: number): string {
  const labels: string[] = [];
  for (let ms = -BEFORE_MS; ms <= AFTER_MS; ms += 500) {
    const at = round(xOfMs(zero + ms));
    if (at < PLOT.left - 20 || at > PLOT.left + PLOT.width + 20) continue;
    labels.push(
      `<text x="${at}" y="${PLOT.top + PLOT.height + 18}" text-anchor="middle">${ms / 1000} s</text>`,
    );
  }
  return labels.join('');
}

function bar(count: number, at: number, top: number): string {
  if (count === 0) return '';
  const height = Math.min(LOST_HEIGHT, 4 + count * 2);
  return `<rect class="lost" x="${round(at) - 3}" y="${top + LOST_HEIGHT - height}" width="6" height="${height}"/>`;
}

/** 1, 2 or 5 times a power of ten, or the next quarter that divides well. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map(step => step * power).find(step => step >= value) ?? value;
}

const round = (value: number): number => Math.round(value * 10) / 10;
const point = (x: number, y: number): string => `${round(x)},${round(y)}`;
