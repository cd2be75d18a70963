// The picture of a lost machine that led the swarm: a bar per slot in the colour of the machine that answers for it, one of who
// leads, answers per second below, and a line for each thing that happened. Plain SVG text with its colours in CSS, so that it is
// legible in a dark page too and a change of it is a readable diff. Colours: Okabe and Ito, "Color Universal Design" (2008).

import { BUCKET_MS, type LoadReport } from '../support/swarm-lab.ts';
import { askEngine, type Course, type Entry, idOf, type Node, nameOf } from './course.ts';

interface Led {
  readonly atMs: number;
  readonly by: string;
}

const ASK_EVERY_MS = 250;

/** Who leads the swarm, as the managers say that can be asked; a new question each time, because one that hangs goes on to. */
export class Leaders {
  readonly seen: Led[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(sockets: readonly string[]) {
    this.#timer = setInterval(() => {
      for (const socket of sockets)
        askEngine<Node[]>(socket, '/nodes').then(
          nodes => this.#note(nodes),
          () => {},
        );
    }, ASK_EVERY_MS);
  }

  #note(nodes: readonly Node[]): void {
    const by = nodes.find(({ ManagerStatus }) => ManagerStatus?.Leader === true)?.Description.Hostname;
    if (by !== undefined) this.seen.push({ atMs: Date.now(), by });
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

export interface Loss {
  /** The machine. */
  readonly name: string;
  readonly faultMs: number;
  readonly course: Course;
  readonly entries: readonly Entry[];
  /** Replica -> machine. */
  readonly placed: ReadonlyMap<string, string>;
  /** What answered at the fault: slot -> replica. */
  readonly before: ReadonlyMap<string, string>;
  readonly leaders: readonly Led[];
  readonly buckets: LoadReport['buckets'];
  /** When the load began. */
  readonly loadMs: number;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  /** A machine. */
  readonly at: string;
}

const WIDTH = 860;
const LEFT = 80;
const PLOT = 756;
const TOP = 128;
const ROW = 19;
const BAR = 14;
const RATE_HEIGHT = 48;
/** Up to there words stand to the right of their lines. */
const LEFT_SHARE = 0.62;
const BEFORE_MS = 2_000;
const AFTER_MS = 4_000;
/** Nobody said who leads for longer than that: nobody does. */
const UNHEARD_MS = 1_000;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .axis { stroke: #1f2328; stroke-opacity: .35 }
  .mark { stroke: #1f2328; stroke-dasharray: 4 3 }
  .n1 { fill: #0072b2 } .n2 { fill: #e69f00 } .n3 { fill: #009e73 } .n4 { fill: #cc79a7 }
  .none { fill: #1f2328; fill-opacity: .12 } .rate { fill: #56b4e9 } .lost { fill: #d55e00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .axis, .mark { stroke: #e6edf3 } .none { fill: #e6edf3 }
    .n1 { fill: #3b9ddb } .n3 { fill: #2bc79b } .lost { fill: #ff7b4a }
  }`;

export function lossSvg(loss: Loss): string {
  const { name, faultMs, course, buckets, before } = loss;
  const fromMs = faultMs - BEFORE_MS;
  const endMs = faultMs + (course.answer ?? 0) + AFTER_MS;
  const x = (ms: number): number =>
    LEFT + ((Math.min(Math.max(ms, fromMs), endMs) - fromMs) / (endMs - fromMs)) * PLOT;
  const y = (row: number): number => TOP + row * ROW;
  const slots = [...before.keys()].sort();
  const drawBar = (kind: string, { fromMs, toMs }: { fromMs: number; toMs: number }, row: number): string =>
    `<rect class="${kind}" x="${round(x(fromMs))}" y="${y(row)}" width="${round(Math.max(1, x(toMs) - x(fromMs)))}" height="${BAR}"/>`;
  const drawRow = (label: string, spans: readonly Span[], row: number): string =>
    [
      `<text x="${LEFT - 8}" y="${y(row) + 11}" text-anchor="end">${label}</text>`,
      drawBar('none', { fromMs, toMs: endMs }, row),
      ...spans.filter(({ toMs }) => toMs > fromMs).map(span => drawBar(span.at, span, row)),
    ].join('\n');
  const rows = slots.map((slot, row) => drawRow(`slot ${slot}`, spansOf(slot, loss, endMs), row));
  rows.push(drawRow('leader', ledBy(loss, endMs), slots.length));
  const rateTop = y(slots.length + 1) + 6;
  const bottom = rateTop + RATE_HEIGHT;
  const shown = buckets.filter((_, index) => {
    const atMs = loss.loadMs + index * BUCKET_MS;
    return atMs >= fromMs && atMs <= endMs;
  });
  const most = Math.max(1, ...shown.map(({ count }) => count));
  const bars = buckets.flatMap(({ count, lost }, index) => {
    const atMs = loss.loadMs + index * BUCKET_MS;
    if (atMs < fromMs || atMs > endMs || count === 0) return [];
    const of = (kind: string, share: number): string =>
      `<rect class="${kind}" x="${round(x(atMs))}" y="${round(bottom - RATE_HEIGHT * share)}" width="${round(x(atMs + BUCKET_MS) - x(atMs))}" height="${round(RATE_HEIGHT * share)}"/>`;
    return [of('rate', count / most), ...(lost > 0 ? [of('lost', lost / most)] : [])];
  });
  const rate = Math.round((most * 1_000) / BUCKET_MS);
  const ticks: string[] = [];
  const stepMs = (endMs - fromMs) / 9 > 2_000 ? 5_000 : 2_000;
  for (let ms = 0; faultMs + ms <= endMs; ms += stepMs)
    ticks.push(
      `<text x="${round(x(faultMs + ms))}" y="${bottom + 16}" text-anchor="middle">${ms / 1_000} s</text>`,
    );
  const lost = buckets.reduce((sum, bucket) => sum + bucket.lost, 0);
  const count = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 44}" role="img" aria-label="What a lost leader does to slots, leadership and answers">
<style>${STYLE}
</style>
<text class="title" x="${LEFT}" y="22">${name}, which leads the swarm, is switched off at 0 s: which machine answers for each slot</text>
${legend()}
${rows.join('\n')}
<text x="${LEFT - 8}" y="${rateTop + 11}" text-anchor="end">${rate} /s</text>
${bars.join('')}
<line class="axis" x1="${LEFT}" x2="${LEFT + PLOT}" y1="${bottom}" y2="${bottom}"/>
${ticks.join('')}
<text x="${LEFT}" y="${bottom + 36}">answers per second; requests lost in all of the run: ${lost} of ${count.toLocaleString('en')}</text>
${drawMarks(loss, x, bottom)}
</svg>
`;
}

/** From when to when which machine answered for the slot. */
function spansOf(slot: string, { entries, placed, before, faultMs }: Loss, endMs: number): Span[] {
  const spans: Span[] = [];
  let id = before.get(slot) ?? '';
  let sinceMs = Number.NEGATIVE_INFINITY;
  const end = (toMs: number): void => {
    if (id !== '') spans.push({ fromMs: sinceMs, toMs, at: placed.get(id) ?? 'none' });
  };
  for (const { atMs, slot: name = '', replicaId = '', to } of entries) {
    if (to === undefined || atMs < faultMs || nameOf(name) !== slot) continue;
    if (to === 'ready') {
      end(atMs);
      [id, sinceMs] = [idOf(replicaId), atMs];
    } else if (idOf(replicaId) === id) {
      end(atMs);
      id = '';
    }
  }
  end(endMs);
  return spans;
}

function ledBy({ name, leaders, faultMs }: Loss, endMs: number): Span[] {
  const spans: { fromMs: number; toMs: number; at: string }[] = [
    { fromMs: Number.NEGATIVE_INFINITY, toMs: faultMs, at: name },
  ];
  for (const { atMs, by } of leaders) {
    const last = spans.at(-1)!;
    if (atMs <= faultMs || by === name || atMs > endMs) continue;
    if (last.at === by && atMs - last.toMs <= UNHEARD_MS) last.toMs = atMs;
    else spans.push({ fromMs: atMs, toMs: atMs, at: by });
  }
  return spans;
}

function marksOf({ name, course, leaders, faultMs }: Loss): { ms: number; text: string }[] {
  const led = leaders.find(({ atMs, by }) => atMs > faultMs && by !== name);
  const marks: [number | null, string][] = [
    [course.lost, 'torc takes the machine for lost'],
    [led === undefined ? null : led.atMs - faultMs, 'managers answer again'],
    [course.written, "torc's write is taken"],
    [course.answer, 'all slots answer'],
  ];
  return marks.flatMap(([ms, what]) =>
    ms === null ? [] : [{ ms, text: `${what}, ${(ms / 1_000).toFixed(1)} s` }],
  );
}

/** On the right words stand to the left of their lines; in this order none crosses another's line. */
function drawMarks(loss: Loss, x: (ms: number) => number, bottom: number): string {
  const middle = LEFT + PLOT * LEFT_SHARE;
  const marks = marksOf(loss).map(({ ms, text }) => ({ at: x(loss.faultMs + ms), text }));
  const left = marks.filter(({ at }) => at <= middle).sort((a, b) => a.at - b.at);
  const right = marks.filter(({ at }) => at > middle).sort((a, b) => b.at - a.at);
  return [...left, ...right].map(({ at, text }, index) => drawMark(text, index, at, bottom)).join('\n');
}

function drawMark(text: string, index: number, at: number, bottom: number): string {
  const top = 58 + index * 16;
  const isRight = at > LEFT + PLOT * LEFT_SHARE;
  return `<line class="mark" x1="${round(at)}" x2="${round(at)}" y1="${top}" y2="${bottom}"/><text x="${round(at) + (isRight ? -5 : 5)}" y="${top + 10}"${isRight ? ' text-anchor="end"' : ''}>${text}</text>`;
}

function legend(): string {
  const names = ['n1', 'n2', 'n3', 'n4', 'none'];
  return names
    .map(
      (name, index) =>
        `<rect class="${name}" x="${LEFT + index * 60}" y="34" width="11" height="11"/><text x="${LEFT + index * 60 + 17}" y="44">${name === 'none' ? 'nobody' : name}</text>`,
    )
    .join('');
}

const round = (value: number): number => Math.round(value * 10) / 10;
