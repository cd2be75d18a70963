// The page: one state, one draw. What comes from the stream changes the state; each frame that has a change draws all of
// it, and lit-html touches only what differs. Charts are the one thing that is drawn beside.

import { Charts, charts } from './charts.js';
import { Dialog } from './dialog.js';
import { events } from './events.js';
import { Explain } from './explain.js';
import { byName } from './format.js';
import { hotKeys } from './keys.js';
import { Link, token } from './link.js';
import { html, nothing, render } from './lit/lit-html.js';
import { applyPatch, History } from './model.js';
import { ring } from './ring.js';
import { Rollout } from './rollout.js';
import { SlotTable } from './slots.js';
import { faultsOf, figures, header, verdict } from './top.js';
import { WhatIf } from './whatif.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Entry} Entry */

const MOST_ENTRIES = 500;

/** @type {State} */
const state = {
  link: { kind: 'connecting', sinceMs: Date.now(), why: '' },
  stats: null,
  hotKeys: null,
  entries: [],
  chosen: '',
  hasToken: token.get() !== '',
};
const history = new History();
const plots = new Charts();

let isDue = false;
function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

/** @param {string} name again: of all */
function choose(name) {
  state.chosen = state.chosen === name ? '' : name;
  redraw();
}

const stats = () => state.stats;
const dialog = new Dialog(redraw, stats);
const explain = new Explain(redraw);
const whatIf = new WhatIf(redraw, stats);
const rollout = new Rollout(redraw);
const slots = new SlotTable(redraw, {
  choose,
  act: (what, name) => dialog.open(what, name),
  add: () => dialog.open('add'),
});

const link = new Link({
  onEvent: (event, data) => {
    state.link = { kind: 'live', sinceMs: Date.now(), why: '' };
    if (event === 'journal') note(data);
    else if (event === 'hot-keys') state.hotKeys = data;
    else if (event === 'stats') state.stats = data;
    else if (state.stats !== null) applyPatch(state.stats, data);
    if (state.stats !== null && (event === 'stats' || event === 'patch')) history.add(state.stats);
    redraw();
  },
  onState: next => {
    state.link = next;
    redraw();
  },
});

/** @param {Entry} entry */
function note(entry) {
  const last = state.entries[0];
  // Numbers begin anew where torc has lost its state.
  if (last !== undefined && entry.seq <= last.seq && entry.atMs > last.atMs) state.entries = [];
  else if (last !== undefined && entry.seq <= last.seq) return;
  state.entries.unshift(entry);
  if (state.entries.length > MOST_ENTRIES) state.entries.pop();
}

/** @param {SubmitEvent} event */
function giveToken(event) {
  event.preventDefault();
  const input = /** @type {HTMLInputElement} */ (document.getElementById('token'));
  token.set(input.value.trim());
  input.value = '';
  state.hasToken = true;
  state.link = { kind: 'connecting', sinceMs: Date.now(), why: '' };
  link.again();
  redraw();
}

function forget() {
  token.forget();
  location.reload();
}

function draw() {
  const {
    stats: now,
    link: { kind, why },
  } = state;
  const isAsking = kind === 'token';
  document.title =
    now === null
      ? 'torc'
      : `torc: ${now.replicas.ready} of ${now.replicas.of} ready${kind === 'live' ? '' : ` (${kind})`}`;
  document.body.className = kind;
  render(
    html`${header(state, { again: () => link.again(), forget })}
      <main>${isAsking ? askToken(why) : now === null ? html`<p class="empty wait">${kind === 'refused' || kind === 'stale' ? why : 'Asking torc …'}</p>` : panels(now)}</main>
      <p class="spoken" role="status">${now === null ? '' : faultsOf(now).join(' ') || 'All is well.'}</p>
      ${dialog.view()}`,
    document.body,
  );
  if (!isAsking) plots.draw(history);
}

/** @param {NonNullable<State['stats']>} now */
function panels(now) {
  const names = Object.keys(now.slots).sort(byName);
  return html`${verdict(now)}${figures(now)}
    <div class="picture"><div class="charts">${charts()}</div>${ring(now, state.chosen, explain.choices, choose)}</div>
    ${slots.view(now, history.slots, state.chosen)}
    <div class="below">
      <div>${events(state.entries, state.chosen, names, name => {
        state.chosen = name;
        redraw();
      })}</div>
      <div>${hotKeys(state.hotKeys, choose)}${explain.view()}</div>
      <div>${whatIf.view(now)}${rollout.view(now)}</div>
    </div>`;
}

/** @param {string} why */
const askToken = why => html`<form class="token" @submit=${giveToken}>
  <h2>A token is needed</h2>
  <p>One of TORC_ADMIN_TOKEN or TORC_ADMIN_TOKEN_FILE. It is kept for this tab alone and sent as a header.</p>
  <label>Token <input id="token" type="password" required autocomplete="off"></label>
  ${why === '' ? nothing : html`<p class="fault" role="alert">${why}</p>`}
  <button class="main">Go on</button>
</form>`;

draw();
