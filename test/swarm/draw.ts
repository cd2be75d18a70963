// The picture of what several torcs saw: a panel per fault, a bar per torc, in a colour per set of ready slots, so that equal
// colours one below the other say that they saw the same; below, when they did not. Colours: Okabe and Ito, "Color
// Universal Design" (2008), told apart by everybody, and four more for what is seen last.

export interface Seen {
  readonly atMs: number;
  /** '' : it was not to be asked. */
  readonly view: string;
}

export interface Panel {
  readonly title: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly rows: readonly { readonly name: string; readonly seen: readonly Seen[] }[];
  readonly spans: readonly (readonly [number, number])[];
}

const WIDTH = 860;
const LEFT = 80;
const PLOT = 756;
const BAR = 13;
const ROW = 17;
const BEFORE_MS = 500;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .axis { stroke: #1f2328; stroke-opacity: .35 }
  .mark { stroke: #1f2328; stroke-dasharray: 4 3 }
  .v0 { fill: #0072b2 } .v1 { fill: #e69f00 } .v2 { fill: #009e73 } .v3 { fill: #cc79a7 } .v4 { fill: #56b4e9 } .v5 { fill: #f0e442 }
  .v6 { fill: #999999 } .v7 { fill: #8c6d31 } .v8 { fill: #7b5ea7 } .v9 { fill: #a3c586 }
  .none { fill: #1f2328; fill-opacity: .12 } .differ { fill: #d55e00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .axis, .mark { stroke: #e6edf3 } .none { fill: #e6edf3 }
    .v0 { fill: #3b9ddb } .v2 { fill: #2bc79b } .differ { fill: #ff7b4a }
  }`;

const round = (value: number): string => String(Math.round(value * 10) / 10);

export function stackSvg(panels: readonly Panel[]): string {
  let top = 10;
  const parts: string[] = [];
  for (const panel of panels) {
    parts.push(drawPanel(panel, top));
    top += heightOf(panel);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img" aria-label="What several torcs over one Swarm service saw of its slots, per fault">
<style>${STYLE}
</style>
${parts.join('\n')}
</svg>
`;
}

const heightOf = ({ rows }: Panel): number => 26 + (rows.length + 1) * ROW + 40;

function drawPanel({ title, startMs, endMs, rows, spans }: Panel, top: number): string {
  const fromMs = startMs - BEFORE_MS;
  const x = (ms: number): number =>
    LEFT + ((Math.min(Math.max(ms, fromMs), endMs) - fromMs) / (endMs - fromMs)) * PLOT;
  const colours = coloursOf(
    rows.flatMap(({ seen }) => seen),
    fromMs,
    endMs,
  );
  const lines = [`<text class="title" x="${LEFT}" y="${top + 14}">${escaped(title)}</text>`];
  const y = (row: number): number => top + 24 + row * ROW;
  const bar = (kind: string, from: number, to: number, row: number): string =>
    `<rect class="${kind}" x="${round(x(from))}" y="${y(row)}" width="${round(Math.max(1, x(to) - x(from)))}" height="${BAR}"/>`;
  rows.forEach(({ name, seen }, row) => {
    lines.push(`<text x="${LEFT - 8}" y="${y(row) + 11}" text-anchor="end">${name}</text>`);
    seen.forEach(({ atMs, view }, index) => {
      const toMs = seen[index + 1]?.atMs ?? endMs;
      if (toMs > fromMs && atMs < endMs) lines.push(bar(colours.get(view) ?? 'none', atMs, toMs, row));
    });
  });
  lines.push(`<text x="${LEFT - 8}" y="${y(rows.length) + 11}" text-anchor="end">differ</text>`);
  for (const [from, to] of spans) lines.push(bar('differ', from, to, rows.length));
  const bottom = y(rows.length + 1);
  lines.push(
    `<line class="mark" x1="${round(x(startMs))}" x2="${round(x(startMs))}" y1="${y(0) - 3}" y2="${bottom}"/>`,
  );
  lines.push(`<line class="axis" x1="${LEFT}" x2="${LEFT + PLOT}" y1="${bottom}" y2="${bottom}"/>`);
  const stepMs =
    [100, 200, 500, 1_000, 2_000, 5_000, 10_000].find(each => (endMs - startMs) / each <= 9) ?? 20_000;
  for (let ms = 0; startMs + ms <= endMs; ms += stepMs)
    lines.push(
      `<text x="${round(x(startMs + ms))}" y="${bottom + 15}" text-anchor="middle">${ms / 1_000} s</text>`,
    );
  return lines.join('\n');
}

/** In the order in which they were seen. */
function coloursOf(seen: readonly Seen[], fromMs: number, endMs: number): ReadonlyMap<string, string> {
  const colours = new Map<string, string>();
  const sorted = [...seen].sort((a, b) => a.atMs - b.atMs);
  const before = sorted.findLast(({ atMs }) => atMs <= fromMs);
  for (const { atMs, view } of [...(before ? [before] : []), ...sorted.filter(({ atMs }) => atMs > fromMs)])
    if (atMs < endMs && view !== '' && !colours.has(view)) colours.set(view, `v${colours.size % 10}`);
  return colours;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
