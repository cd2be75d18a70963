// The ring: each slot's share of the table as an arc. A slot that is out is hatched, and bands run from its arc to those that
// serve its keys meanwhile, as wide as what each of them got; the same is said in words below. An explained key's choices
// are numbered at their arcs.

import { byName, list, percent, whole } from './format.js';
import { html, nothing, svg } from './lit/lit-html.js';

/** @typedef {import('./types.js').Stats} Stats */
/** @typedef {import('./types.js').Slot} Slot */
/** @typedef {{ slot: Slot, from: number, to: number, index: number }} Arc in turns, 0 to 1 */

const CENTRE = 170;
const OUTER = 142;
const INNER = 112;
/** Narrower arcs have no name beside them. */
const NAMED = 0.018;
const MOST_LISTED = 12;

/** @param {Stats} stats @returns {Arc[]} */
function arcsOf({ slots }) {
  const sorted = Object.values(slots).sort((a, b) => byName(a.name, b.name));
  const all = sorted.reduce((sum, { share }) => sum + share, 0) || 1;
  let turn = 0;
  return sorted.map((slot, index) => {
    const from = turn;
    turn += slot.share / all;
    return { slot, from, to: turn, index };
  });
}

/** @param {number} turn @param {number} radius */
function point(turn, radius) {
  const angle = (turn - 0.25) * 2 * Math.PI;
  return `${(CENTRE + Math.cos(angle) * radius).toFixed(2)} ${(CENTRE + Math.sin(angle) * radius).toFixed(2)}`;
}

/** @param {Arc} arc @param {boolean} hasGap */
function arcPath({ from, to }, hasGap) {
  const gap = hasGap ? Math.min(0.003, (to - from) / 4) : 0;
  // A whole circle has no ends to draw an arc between.
  const [a, b] = [from + gap, Math.min(to - gap, from + 0.99999)];
  const large = b - a > 0.5 ? 1 : 0;
  return `M${point(a, OUTER)}A${OUTER} ${OUTER} 0 ${large} 1 ${point(b, OUTER)}L${point(b, INNER)}A${INNER} ${INNER} 0 ${large} 0 ${point(a, INNER)}Z`;
}

/** @param {Arc[]} arcs */
function* bandsOf(arcs) {
  const middle = new Map(arcs.map(({ slot, from, to }) => [slot.name, (from + to) / 2]));
  for (const { slot, from, to } of arcs) {
    const lent = slot.lent ?? [];
    const sum = lent.reduce((total, { share }) => total + share, 0);
    let turn = from;
    for (const { to: name, share } of lent) {
      const part = ((to - from) * share) / sum;
      const target = middle.get(name);
      if (target !== undefined)
        yield {
          path: `M${point(turn + part / 2, INNER - 1)}Q${CENTRE} ${CENTRE} ${point(target, INNER - 1)}`,
          width: Math.max(1, Math.min(24, part * 2 * Math.PI * INNER * 0.6)),
        };
      turn += part;
    }
  }
}

/**
 * @param {Stats} stats @param {string} chosen @param {readonly string[]} choices of an explained key, in order
 * @param {(name: string) => void} onChoose
 */
export function ring(stats, chosen, choices, onChoose) {
  const arcs = arcsOf(stats);
  const out = arcs.filter(({ slot }) => slot.state !== 'ready' || slot.weight === 0).map(({ slot }) => slot);
  return html`<section class="ring" aria-labelledby="ring-title">
    <h2 id="ring-title">Ring <small>${stats.ring.algorithm}, ${whole(stats.ring.rows)} rows</small></h2>
    <svg viewBox="0 0 340 340" role="img" aria-label=${inWords(arcs, out)}>
      <defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0v6" /></pattern></defs>
      ${[...bandsOf(arcs)].map(({ path, width }) => svg`<path class="band" d=${path} stroke-width=${width} />`)}
      ${arcs.map(
        arc => svg`<path class="arc ${arc.index % 2 ? 'odd' : 'even'} ${arc.slot.state === 'ready' ? '' : 'out'} ${arc.slot.name === chosen ? 'chosen' : ''}"
          d=${arcPath(arc, arcs.length > 1)} @click=${() => onChoose(arc.slot.name)}><title>${arc.slot.name}: ${percent(arc.slot.share)}</title></path>`,
      )}
      ${arcs.map(arc => (isNamed(arc, chosen, choices) ? label(arc, choices.indexOf(arc.slot.name)) : nothing))}
      <text class="centre" x=${CENTRE} y=${CENTRE - 2}>${whole(arcs.length)}</text>
      <text class="centre-what" x=${CENTRE} y=${CENTRE + 18}>${arcs.length === 1 ? 'slot' : 'slots'}</text>
    </svg>
    <ul class="lent" id="lent">${out.length === 0 ? html`<li>Every slot serves its own keys.</li>` : out.slice(0, MOST_LISTED).map(loan)}
      ${out.length > MOST_LISTED ? html`<li>and ${out.length - MOST_LISTED} more slots are out.</li>` : nothing}</ul>
  </section>`;
}

/** @param {Arc} arc @param {string} chosen @param {readonly string[]} choices */
const isNamed = ({ slot, from, to }, chosen, choices) =>
  to - from >= NAMED || slot.name === chosen || choices.includes(slot.name);

/** @param {Arc} arc @param {number} choice */
function label({ slot, from, to }, choice) {
  const [x, y] = point((from + to) / 2, OUTER + 14).split(' ');
  const name = slot.name.length > 8 ? `${slot.name.slice(0, 7)}…` : slot.name;
  const number = choice === -1 ? '' : ` ${['①', '②', '③'][choice] ?? ''}`;
  return svg`<text x=${x} y=${y}><tspan class="name ${slot.state === 'ready' ? '' : 'out'}">${name}</tspan>${number}</text>`;
}

/** @param {Slot} slot */
const outcome = ({ state, weight }) => (state === 'ready' && weight === 0 ? 'drained' : state);

/** @param {Slot} slot */
function loan(slot) {
  const { name, share, lent = [] } = slot;
  const all = lent.reduce((sum, each) => sum + each.share, 0);
  if (lent.length === 0)
    return html`<li><strong>${name}</strong> is ${outcome(slot)}, and nobody serves its ${percent(share)} of the keys.</li>`;
  const more = share - all > 0.0005 ? ', and others' : '';
  return html`<li><strong>${name}</strong> is ${outcome(slot)}: its ${percent(share)} of the keys are lent to
    ${list(lent.slice(0, 6).map(({ to, share: part }) => `${to} (${percent(part)})`))}${lent.length > 6 ? ', and others' : more}.</li>`;
}

/** @param {Arc[]} arcs @param {Slot[]} out */
function inWords(arcs, out) {
  const shares = arcs
    .slice(0, 24)
    .map(({ slot }) => `${slot.name} ${percent(slot.share)}`)
    .join(', ');
  const more = arcs.length > 24 ? ` and ${arcs.length - 24} more` : '';
  return `Share of the table of each slot: ${shares}${more}.${out.length === 0 ? '' : ` Out: ${list(out.slice(0, 12).map(({ name }) => name))}.`}`;
}
