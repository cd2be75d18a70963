// What changes something asks first, in a dialog that says what it will do: how many of the keys move and to whom is asked of
// /admin/whatif, so it is what will happen and not a rule of thumb. The answer, or why not, stands in the same place.

import { list, percent, whole } from './format.js';
import { ask } from './link.js';
import { html, nothing } from './lit/lit-html.js';

/** @typedef {import('./types.js').Stats} Stats */
/** @typedef {'add' | 'remove' | 'replace'} What */

const words = {
  add: { title: () => 'Add slots', go: 'Add', busy: 'Starting …' },
  remove: { title: (/** @type {string} */ name) => `Remove slot ${name}`, go: 'Remove', busy: 'Draining …' },
  replace: {
    title: (/** @type {string} */ name) => `Replace slot ${name} now`,
    go: 'Replace',
    busy: 'Replacing …',
  },
};

export class Dialog {
  /** @param {() => void} redraw @param {() => Stats | null} stats */
  constructor(redraw, stats) {
    this.redraw = redraw;
    this.stats = stats;
    /** @type {What} */
    this.what = 'add';
    this.name = '';
    this.count = 1;
    this.names = '';
    this.plan = '';
    this.fault = '';
    this.isBusy = false;
    this.asked = 0;
  }

  get element() {
    return /** @type {HTMLDialogElement} */ (document.getElementById('dialog'));
  }

  /** @param {What} what @param {string} [name] */
  open(what, name = '') {
    Object.assign(this, { what, name, count: 1, names: '', fault: '', isBusy: false });
    this.redraw();
    this.element.showModal();
    void this.foretell();
  }

  async foretell() {
    const { what, name, count } = this;
    const asked = ++this.asked;
    this.plan = what === 'replace' ? this.replacing() : '…';
    this.redraw();
    if (what === 'replace') return;
    let plan;
    try {
      const slots = Object.keys(this.stats()?.slots ?? {}).length;
      const question = what === 'add' ? `n=${slots + count}` : `remove=${encodeURIComponent(name)}`;
      const answer = slots === 1 && what !== 'add' ? null : await ask('GET', `whatif?${question}`);
      plan = what === 'add' ? adding(answer) : removing(answer);
    } catch (error) {
      plan = `What it moves cannot be said: ${/** @type {Error} */ (error).message}`;
    }
    if (asked !== this.asked) return;
    this.plan = plan;
    this.redraw();
  }

  replacing() {
    const slot = this.stats()?.slots[this.name];
    if (slot === undefined) return 'The slot is gone.';
    if (slot.state === 'ready')
      return `A new replica is started beside ${slot.replica} and proven; then it takes the slot, and ${slot.replica} ends the requests that it has and is stopped. The slot is never out for it, and no key moves.`;
    const leaves = slot.replica === '' ? 'It has no replica' : `${slot.replica} is not ready and is stopped`;
    return `${leaves}: a new one is started now. Its keys, lent meanwhile, come back when that is ready.`;
  }

  async go() {
    this.isBusy = true;
    this.fault = '';
    this.redraw();
    const { what, name, count } = this;
    const hostnames = this.names.split(/[\s,]+/).filter(each => each !== '');
    try {
      if (what === 'replace') await ask('POST', `slots/${encodeURIComponent(name)}/replace`);
      else if (what === 'remove') await ask('DELETE', '../rm', { n: 1, hostnames: [name] });
      else await ask('POST', '../add', { n: count, ...(hostnames.length === 0 ? {} : { hostnames }) });
      if (this.what === what && this.name === name) this.element.close();
    } catch (error) {
      this.fault = /** @type {Error} */ (error).message;
    }
    this.isBusy = false;
    this.redraw();
  }

  view() {
    const { title, go, busy } = words[this.what];
    return html`<dialog id="dialog" aria-labelledby="dialog-title">
      <form method="dialog" @submit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        void this.go();
      }}>
        <h2 id="dialog-title">${title(this.name)}</h2>
        ${this.what === 'add' ? this.fields() : nothing}
        <p id="plan" aria-live="polite">${this.plan}</p>
        ${this.fault === '' ? nothing : html`<p class="fault" role="alert">${this.fault}</p>`}
        <div class="bar"><button type="submit" class="main" ?disabled=${this.isBusy}>${this.isBusy ? busy : go}</button>
          <button type="button" class="quiet" @click=${() => this.element.close()}>${this.isBusy ? 'Close (it goes on)' : 'Cancel'}</button></div>
      </form>
    </dialog>`;
  }

  fields() {
    return html`<label>How many <input id="add-count" type="number" min="1" max="1000" required .value=${String(this.count)} @input=${(
      /** @type {any} */ event,
    ) => {
      this.count = Number(event.target.value) || 1;
      void this.foretell();
    }}></label>
      <label>Names <input id="add-names" .value=${this.names} placeholder="the next free numbers" @input=${(
        /** @type {any} */ event,
      ) => {
        this.names = event.target.value;
      }}></label>`;
  }
}

/** @param {any} answer */
const adding = ({ moved, optimum, after, added }) =>
  `${percent(moved)} of the keys move (at least ${percent(optimum)} must), all to the new ${added.length === 1 ? 'slot' : 'slots'} where the ring is at its best; the fullest slot then holds ${after.maxToMean.toFixed(3)} times the mean.`;

/** @param {any} answer */
function removing(answer) {
  if (answer === null) return 'It is the only slot: without it, requests get 503.';
  return `Requests in flight end first. ${percent(answer.moved)} of the keys move (at least ${percent(answer.optimum)} must), to ${gainers(answer)}; the fullest slot then holds ${answer.after.maxToMean.toFixed(3)} times the mean.`;
}

/** @param {any} answer */
function gainers(answer) {
  const pairs = answer?.pairs ?? [];
  const named = pairs.slice(0, 4).map((/** @type {any} */ { to, share }) => `${to} (${percent(share)})`);
  return pairs.length > 4 ? `${named.join(', ')} and ${whole(pairs.length - 4)} more` : list(named);
}
