// What happened, newest first: each change of a slot's state with its cause, who saw it and how long it took, and what is
// more than one slot's. Of a chosen slot alone, where one is chosen.

import { clock, milliseconds } from './format.js';
import { repeat } from './lit/directives/repeat.js';
import { html, nothing } from './lit/lit-html.js';
import { named } from './states.js';

/** @typedef {import('./types.js').Entry} Entry */

const SHOWN = 60;

/** @param {readonly Entry[]} entries @param {string} chosen @param {readonly string[]} names @param {(name: string) => void} onChoose */
export function events(entries, chosen, names, onChoose) {
  const found = entries
    .filter(entry => chosen === '' || ('slot' in entry && entry.slot === chosen))
    .slice(0, SHOWN);
  return html`<section class="events" aria-labelledby="events-title">
    <div class="bar"><h2 id="events-title">Events</h2>
      <label>Slot <select id="event-slot" @change=${(/** @type {any} */ event) => onChoose(event.target.value)}>
        <option value="" ?selected=${chosen === ''}>all</option>
        ${names.map(name => html`<option value=${name} .selected=${name === chosen}>${name}</option>`)}
      </select></label></div>
    ${found.length === 0 ? html`<p class="empty">Nothing yet.</p>` : nothing}
    <ol class="log" tabindex="0" aria-labelledby="events-title">${repeat(found, ({ seq }) => seq, row)}</ol>
  </section>`;
}

/** @param {Entry} entry */
function row(entry) {
  const time = html`<time datetime=${new Date(entry.atMs).toISOString()}>${clock(entry.atMs)}</time>`;
  if ('topic' in entry)
    return html`<li class="notice">${time}<div><p><strong>${entry.topic}</strong> ${entry.text}</p></div></li>`;
  const { slot, from, to, cause, source, label } = entry;
  return html`<li>${time}<div>
    <p><strong>${slot}</strong> ${from} → ${named(to)} <span class="replica">${label}</span></p>
    <p class="cause">${cause} <small>(${source}${timings(entry)})</small></p>
  </div></li>`;
}

/** @param {import('../../control/journal.ts').ControlEvent} event */
function timings({ detectedMs, ejectedMs, readyMs }) {
  const told = [];
  if (detectedMs !== undefined) told.push(`seen within ${milliseconds(detectedMs)}`);
  if (ejectedMs !== undefined) told.push(`out after ${milliseconds(ejectedMs)}`);
  if (readyMs !== undefined) told.push(`back after ${milliseconds(readyMs)}`);
  return told.length === 0 ? '' : `; ${told.join(', ')}`;
}
