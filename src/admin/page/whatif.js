// What if there were N slots? A slider; what would move against the least that must, the balance before and after, and from
// whom to whom, as ribbons between the two tables. Drags are answered with the last position alone.

import { byName, percent, whole } from './format.js';
import { ask, Refused } from './link.js';
import { html, nothing, svg } from './lit/lit-html.js';

/** @typedef {import('./types.js').Stats} Stats */

const WAIT_MS = 150;
/** More slots than these are no picture any more. */
const MOST_DRAWN = 24;
const HEIGHT = 200;
const WIDTH = 320;
const COLUMN = 34;

export class WhatIf {
  /** @param {() => void} redraw @param {() => Stats | null} stats */
  constructor(redraw, stats) {
    this.redraw = redraw;
    this.stats = stats;
    this.wanted = 0;
    /** @type {any} */
    this.answer = null;
    this.fault = '';
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.asked = 0;
  }

  /** @param {number} wanted @param {number} [waitMs] */
  want(wanted, waitMs = WAIT_MS) {
    this.wanted = wanted;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), waitMs);
    this.redraw();
  }

  async ask() {
    const asked = ++this.asked;
    try {
      const answer = await ask('GET', `whatif?n=${this.wanted}`);
      if (asked !== this.asked) return;
      this.answer = answer;
      this.fault = '';
    } catch (error) {
      if (asked !== this.asked) return;
      // One is computed at a time, whoever asks.
      if (error instanceof Refused && error.status === 503) {
        this.want(this.wanted, 500);
        return;
      }
      this.answer = null;
      this.fault = /** @type {Error} */ (error).message;
    }
    this.redraw();
  }

  /** @param {Stats} stats */
  view(stats) {
    const now = Object.keys(stats.slots).length;
    const wanted = this.wanted === 0 ? now : this.wanted;
    const most = Math.min(1_000, Math.max(12, now * 2, wanted));
    return html`<section class="whatif" aria-labelledby="whatif-title">
      <h2 id="whatif-title">What if there were <output>${whole(wanted)}</output> slots</h2>
      <input type="range" id="whatif-n" min="1" max=${most} .value=${String(wanted)} aria-label="Number of slots" aria-valuetext="${wanted} slots" @input=${(/** @type {any} */ event) => this.want(Number(event.target.value))}>
      <p class="scale"><span>1</span><span>now ${whole(now)}</span><span>${whole(most)}</span></p>
      ${this.fault === '' ? nothing : html`<p class="fault" role="alert">${this.fault}</p>`}
      <div id="foretold" aria-live="polite">${this.answer === null ? html`<p class="empty">Move the slider: what would move, and to whom.</p>` : this.foretold(stats)}</div>
    </section>`;
  }

  /** @param {Stats} stats */
  foretold(stats) {
    const { slotsNow, slotsThen, moved, optimum, before, after } = this.answer;
    if (slotsNow === slotsThen) return html`<p class="empty">As many as now: nothing moves.</p>`;
    return html`<dl class="facts">
        <div><dt>Keys that move</dt><dd><strong>${percent(moved)}</strong> <small>at least ${percent(optimum)} must</small></dd></div>
        <div><dt>Fullest slot</dt><dd>${before.maxToMean.toFixed(3)} → <strong>${after.maxToMean.toFixed(3)}</strong> <small>times the mean</small></dd></div>
      </dl>${ribbons(stats, this.answer)}`;
  }
}

/** @param {Stats} stats @param {any} answer */
function ribbons(stats, { pairs, moved, slotsNow, slotsThen }) {
  const sum = pairs.reduce((/** @type {number} */ all, /** @type {any} */ { share }) => all + share, 0);
  const left = new Map(Object.values(stats.slots).map(({ name, share }) => [name, share]));
  if (Math.max(slotsNow, slotsThen) > MOST_DRAWN || moved - sum > 1e-4 || left.size !== slotsNow)
    return largest(pairs);
  const right = new Map(left);
  for (const { from, to, share } of pairs) {
    right.set(from, (right.get(from) ?? 0) - share);
    right.set(to, (right.get(to) ?? 0) + share);
  }
  for (const [name, share] of right) if (share < 1e-9) right.delete(name);
  const [before, after] = [stacked(left), stacked(right)];
  return html`<svg class="ribbons" viewBox="0 0 ${WIDTH} ${HEIGHT + 20}" role="img" aria-label=${`From ${slotsNow} to ${slotsThen} slots: ${pairs
    .slice(0, 12)
    .map((/** @type {any} */ { from, to, share }) => `${percent(share)} from ${from} to ${to}`)
    .join(', ')}.`}>
    ${bands(pairs, left, before, after).map(path => svg`<path class="band" d=${path} />`)}
    ${column(before, left, 0, name => !right.has(name))}
    ${column(after, right, WIDTH - COLUMN, name => !left.has(name))}
    <text class="under" x="0" y=${HEIGHT + 16}>now</text><text class="under end" x=${WIDTH} y=${HEIGHT + 16}>then</text>
  </svg>`;
}

/** From the top down. @param {Map<string, number>} shares @returns {Map<string, number>} */
function stacked(shares) {
  let top = 0;
  const tops = new Map();
  for (const name of [...shares.keys()].sort(byName)) {
    tops.set(name, top);
    top += (shares.get(name) ?? 0) * HEIGHT;
  }
  return tops;
}

/** What moves leaves its slot from the top and arrives at the bottom of the other. @param {any[]} pairs @param {Map<string, number>} left @param {Map<string, number>} before @param {Map<string, number>} after */
function bands(pairs, left, before, after) {
  const [out, into] = [new Map(before), new Map(after)];
  // Behind what a slot keeps comes what it gets.
  const lost = new Map();
  for (const { from, share } of pairs) lost.set(from, (lost.get(from) ?? 0) + share);
  for (const [name, top] of into)
    into.set(name, top + ((left.get(name) ?? 0) - (lost.get(name) ?? 0)) * HEIGHT);
  const [x1, x2, half] = [COLUMN, WIDTH - COLUMN, WIDTH / 2];
  return pairs.map(({ from, to, share }) => {
    const [y1, y2, height] = [out.get(from) ?? 0, into.get(to) ?? 0, share * HEIGHT];
    out.set(from, y1 + height);
    into.set(to, y2 + height);
    return `M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}V${y2 + height}C${half} ${y2 + height} ${half} ${y1 + height} ${x1} ${y1 + height}Z`;
  });
}

/** @param {Map<string, number>} tops @param {Map<string, number>} shares @param {number} x @param {(name: string) => boolean} isChanged */
const column = (tops, shares, x, isChanged) =>
  [...tops].map(([name, top]) => {
    const height = (shares.get(name) ?? 0) * HEIGHT;
    return svg`<rect class="box ${isChanged(name) ? 'changed' : ''}" x=${x} y=${top + 0.5} width=${COLUMN} height=${Math.max(0.5, height - 1)} />
      ${height > 11 ? svg`<text class="in" x=${x + COLUMN / 2} y=${top + height / 2 + 4}>${name.length > 5 ? `${name.slice(0, 4)}…` : name}</text>` : nothing}`;
  });

/** @param {any[]} pairs */
const largest = pairs =>
  html`<ol class="pairs">${pairs.slice(0, 10).map(({ from, to, share }) => html`<li>${from ?? 'nobody'} → ${to ?? 'nobody'} <strong>${percent(share)}</strong></li>`)}${pairs.length > 10 ? html`<li>and ${pairs.length > 99 ? '90 or more' : pairs.length - 10} smaller</li>` : nothing}</ol>`;
