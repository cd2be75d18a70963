// The table of slots: what fills each, how it does, what happened to it last and why. Of a thousand slots the first hundred
// are drawn until all are asked for; those in trouble can be had first. A row stays its slot's own when the order changes.

import { byName, clock, duration, latency, rate, whole } from './format.js';
import { repeat } from './lit/directives/repeat.js';
import { html, nothing } from './lit/lit-html.js';
import { SPARK } from './model.js';
import { named } from './states.js';

/** @typedef {import('./types.js').Slot} Slot */
/** @typedef {import('./types.js').Stats} Stats */

const MOST = 100;

/** @type {Record<string, (a: Slot, b: Slot) => number>} */
const orders = {
  name: (a, b) => byName(a.name, b.name),
  'trouble first': (a, b) =>
    Number(a.state === 'ready') - Number(b.state === 'ready') || byName(a.name, b.name),
  'requests/s': (a, b) => (b.requestsPerSecond ?? 0) - (a.requestsPerSecond ?? 0),
  p99: (a, b) => b.p99Us - a.p99Us,
  'errors/s': (a, b) => (b.errorsPerSecond ?? 0) - (a.errorsPerSecond ?? 0),
};

/**
 * @typedef {object} On
 * @property {(name: string) => void} choose
 * @property {(what: 'replace' | 'remove', name: string) => void} act
 * @property {() => void} add
 */

export class SlotTable {
  /** @param {() => void} redraw @param {On} on */
  constructor(redraw, on) {
    this.redraw = redraw;
    this.on = on;
    this.filter = '';
    this.order = 'name';
    this.isWhole = false;
  }

  /** @param {Partial<Pick<SlotTable, 'filter' | 'order' | 'isWhole'>>} change */
  set(change) {
    Object.assign(this, change);
    this.redraw();
  }

  /** @param {Stats} stats @param {Map<string, number[]>} history @param {string} chosen */
  view(stats, history, chosen) {
    const words = this.filter.toLowerCase();
    const all = Object.values(stats.slots);
    const found = all
      .filter(
        ({ name, state, replica, machine = '' }) =>
          words === '' || [name, state, replica, machine].some(text => text.toLowerCase().includes(words)),
      )
      .sort(orders[this.order]);
    const shown = this.isWhole ? found : found.slice(0, MOST);
    const atMs = Date.parse(stats.at);
    const { operate } = stats.caller;
    const { creates, orders: isOrdered } = stats.driver;
    // An orchestrator chooses itself which go.
    const may = {
      add: operate && (creates || isOrdered),
      remove: operate && !isOrdered,
      replace: operate && creates,
    };
    return html`<section class="slots" aria-labelledby="slots-title">
      <div class="bar">
        <h2 id="slots-title">Slots <small>${found.length === all.length ? whole(all.length) : `${whole(found.length)} of ${whole(all.length)}`}</small></h2>
        <label>Filter <input type="search" id="slot-filter" .value=${this.filter} placeholder="name, state, replica, machine" @input=${(/** @type {any} */ event) => this.set({ filter: event.target.value })}></label>
        <label>Order <select id="slot-order" @change=${(/** @type {any} */ event) => this.set({ order: event.target.value })}>
          ${Object.keys(orders).map(name => html`<option value=${name} ?selected=${name === this.order}>${name}</option>`)}
        </select></label>
        ${may.add ? html`<button id="add" @click=${this.on.add}>Add slots …</button>` : nothing}
      </div>
      ${operate ? nothing : html`<p class="hint" id="read-only">${stats.caller.name} may only read. To add, replace or remove slots, forget the token and give one of the role “operate”.</p>`}
      <table role="table" aria-labelledby="slots-title">
        <thead role="rowgroup"><tr role="row">
          ${[
            'Slot',
            'State',
            'Replica',
            'Age',
            'Requests/s',
            'Last minute',
            'In flight',
            'p50',
            'p99',
            'Errors/s',
            'Last change',
            ...(may.remove ? ['Actions'] : []),
          ].map(
            (name, index) =>
              html`<th role="columnheader" scope="col" class=${index >= 4 && index <= 9 && index !== 5 ? 'number' : ''}>${name}</th>`,
          )}
        </tr></thead>
        <tbody role="rowgroup">${repeat(
          shown,
          ({ name }) => name,
          slot => this.row(slot, history.get(slot.name) ?? [], chosen === slot.name, may, atMs),
        )}</tbody>
      </table>
      ${spares(stats, atMs)}
      ${shown.length < found.length ? html`<button class="quiet" @click=${() => this.set({ isWhole: true })}>Show all ${whole(found.length)}</button>` : nothing}
    </section>`;
  }

  /** @param {Slot} slot @param {number[]} values @param {boolean} isChosen @param {{ remove: boolean, replace: boolean }} may @param {number} atMs */
  row(slot, values, isChosen, may, atMs) {
    const { name, failing } = slot;
    const errors = slot.errorsPerSecond ?? 0;
    return html`<tr role="row" class="slot ${slot.state} ${isChosen ? 'chosen' : ''}" data-slot=${name}>
        <td role="cell" class="name"><button class="choose" aria-pressed=${isChosen} title="Show its events alone" @click=${() => this.on.choose(name)}>${name}</button>${weighed(slot)}</td>
        <td role="cell" class="condition">${named(slot.state)}</td>
        <td role="cell" class="replica">${slot.replica || '–'}${where(slot)}${what(slot)}</td>
        <td role="cell" class="age" data-label="age">${slot.readySince === undefined ? '–' : duration(atMs - Date.parse(slot.readySince))}</td>
        <td role="cell" class="number" data-label="req/s">${rate(slot.requestsPerSecond)}</td>
        <td role="cell" class="spark">${spark(values)}</td>
        <td role="cell" class="number flight" data-label="in flight">${whole(slot.inFlight)}</td>
        <td role="cell" class="number" data-label="p50">${latency(slot.p50Us)}</td>
        <td role="cell" class="number" data-label="p99">${latency(slot.p99Us)}</td>
        <td role="cell" class="number ${errors > 0 ? 'bad' : ''}" data-label="err/s">${rate(slot.errorsPerSecond)}</td>
        <td role="cell" class="change"><time datetime=${slot.lastChange.at}>${clock(Date.parse(slot.lastChange.at))}</time> ${slot.lastChange.cause}</td>
        ${
          may.remove
            ? html`<td role="cell" class="actions">
          ${may.replace ? html`<button class="quiet" aria-label="Replace slot ${name}" @click=${() => this.on.act('replace', name)}>Replace</button>` : nothing}
          <button class="quiet" aria-label="Remove slot ${name}" @click=${() => this.on.act('remove', name)}>Remove</button>
        </td>`
            : nothing
        }
      </tr>
      ${
        failing === undefined
          ? nothing
          : html`<tr role="row" class="failing"><td role="cell" colspan=${may.remove ? 12 : 11}>
        <p><strong>${failing.failureCount === 1 ? 'One failure' : `${failing.failureCount} failures in a row`}</strong>: ${failing.cause}${failing.retryInMs > 0 ? `; next try in ${duration(failing.retryInMs)}` : ''}</p>
        ${failing.output === '' ? nothing : html`<pre aria-label="What the last replica of slot ${name} printed">${failing.output}</pre>`}
      </td></tr>`
      }`;
  }
}

/** @param {Slot} slot */
const weighed = ({ weight }) =>
  weight === undefined
    ? nothing
    : html` <small class="weight">${weight === 0 ? 'weight 0: drained' : `weight ${weight}`}</small>`;

/** @param {Pick<Slot, 'machine'>} slot */
const where = ({ machine }) =>
  machine === undefined ? nothing : html` <span class="machine">on ${machine}</span>`;

/** @param {Pick<Slot, 'image' | 'version'>} slot */
const what = ({ image = '', version = '' }) =>
  image === '' && version === ''
    ? nothing
    : html` <span class="version" title="${image} ${version}">${image} ${version}</span>`;

/** @param {Stats} stats @param {number} atMs */
function spares({ spares: { each } }, atMs) {
  const all = Object.values(each).sort((a, b) => byName(a.name, b.name));
  if (all.length === 0) return nothing;
  return html`<h3>Spares</h3><ul class="spares">${all.map(
    ({ name, state, replica, readySince }) =>
      html`<li>${named(state)} <strong>${name}</strong> ${replica} ${readySince === undefined ? nothing : `for ${duration(atMs - Date.parse(readySince))}`}</li>`,
  )}</ul>`;
}

/** Requests per second of the last minute, its top being the most of this slot. @param {number[]} values */
function spark(values) {
  const most = Math.max(1, ...values);
  const points = values.map(
    (value, index) => `${SPARK - values.length + index},${(19 - (18 * value) / most).toFixed(1)}`,
  );
  return html`<svg viewBox="0 0 59 20" preserveAspectRatio="none" role="img" aria-label="up to ${rate(most)} requests a second in the last minute"><polyline points=${points.join(' ')}></polyline></svg>`;
}
