// The two charts of the last minutes, drawn by uPlot on canvases that the templates leave alone. Lines differ by their
// dashes too. Colours are those of the style sheet, asked for again when light becomes dark.

import { latency, rate } from './format.js';
import { html } from './lit/lit-html.js';

/** @typedef {import('./model.js').History} History */

const HEIGHT = 150;

/** A line is called as its figures in the history are, and as its colour in the style sheet is. */
const panels = /** @type {const} */ ([
  { id: 'traffic', title: 'Traffic', unit: 'per second', lines: ['requests', 'errors'] },
  { id: 'latency', title: 'Latency', unit: 'ms, last 20 s', lines: ['p50', 'p99'] },
]);

export const charts = () =>
  panels.map(
    ({ id, title, unit, lines }) => html`<section class="chart" aria-labelledby="${id}-title">
      <h2 id="${id}-title">${title} <small>${unit}</small></h2>
      <p class="legend">${lines.map(
        name =>
          html`<span><svg viewBox="0 0 24 6" aria-hidden="true"><path class="line ${name}" d="M0 3h24"></path></svg>${name}</span>`,
      )}</p>
      <div class="plot" id="plot-${id}" role="img" aria-label="${title} of the last minutes"></div>
    </section>`,
  );

export class Charts {
  constructor() {
    /** @type {import('uplot')[]} */
    this.plots = [];
    this.drawn = -1;
    this.resizing = new ResizeObserver(entries => {
      for (const { target, contentRect } of entries)
        this.plots
          .find(({ root }) => root.parentElement === target)
          ?.setSize({ width: contentRect.width, height: HEIGHT });
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.clear());
  }

  clear() {
    for (const plot of this.plots) plot.destroy();
    this.plots = [];
    this.drawn = -1;
    this.resizing.disconnect();
  }

  /** After the templates are drawn. @param {History} history */
  draw(history) {
    if (this.plots.length > 0 && this.plots[0]?.root.isConnected === false) this.clear();
    if (document.getElementById('plot-traffic') === null || this.drawn === history.version) return;
    this.drawn = history.version;
    const { times, all } = history;
    const data = panels.map(({ lines }) => [times, ...lines.map(name => all[name])]);
    if (this.plots.length === 0)
      this.plots = panels.map(({ id, lines }, index) => this.make(id, lines, data[index]));
    else for (const [index, plot] of this.plots.entries()) plot.setData(/** @type {any} */ (data[index]));
    for (const { id, title, lines } of panels) {
      const now = lines.map(name => `${name} ${inWords(name, all[name].at(-1) ?? null)}`).join(', ');
      document
        .getElementById(`plot-${id}`)
        ?.setAttribute('aria-label', `${title} of the last minutes; now ${now}`);
    }
  }

  /** @param {string} id @param {readonly string[]} lines @param {unknown} data */
  make(id, lines, data) {
    const place = /** @type {HTMLElement} */ (document.getElementById(`plot-${id}`));
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--ink-2'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { stroke: colour('--line'), width: 1, size: 4 },
      font: '11px system-ui, sans-serif',
    };
    const plot = new uPlot(
      {
        width: place.clientWidth,
        height: HEIGHT,
        padding: [8, 26, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        series: [
          {},
          ...lines.map((name, index) => ({
            stroke: colour(`--${name}`),
            width: 1.5,
            points: { show: false },
            ...(index === 0 ? {} : { dash: [5, 3] }),
          })),
        ],
        scales: {
          // At least a minute wide, so that the first seconds are no whole picture.
          x: { range: (_, min, max) => [Math.min(min, max - 60), max] },
          y: { range: (_, _min, max) => [0, Math.max(1, (max ?? 0) * 1.15)] },
        },
        axes: [
          {
            ...axis,
            size: 24,
            space: 110,
            values: (_, ticks) => ticks.map(tick => new Date(tick * 1_000).toTimeString().slice(0, 8)),
          },
          { ...axis, size: 46, space: 30 },
        ],
      },
      /** @type {any} */ (data),
      place,
    );
    this.resizing.observe(place);
    return plot;
  }
}

/** @param {string} key @param {number | null} value */
const inWords = (key, value) =>
  key === 'p50' || key === 'p99' ? latency(Math.round((value ?? 0) * 1_000)) : `${rate(value ?? 0)} a second`;
