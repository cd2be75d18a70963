// Another version for all replicas: begun here, watched here, stopped here. Progress comes with the stream, so a page that was
// opened later, or by somebody else, shows the same.

import { clock, whole } from './format.js';
import { ask } from './link.js';
import { html, nothing } from './lit/lit-html.js';

/** @typedef {import('./types.js').Stats} Stats */

export class Rollout {
  /** @param {() => void} redraw */
  constructor(redraw) {
    this.redraw = redraw;
    this.fault = '';
    this.isAsking = false;
  }

  /** The answer comes at its end: only a fault is told here. @param {string} word @param {string} version */
  async begin(word, version) {
    await this.tell(() => ask('POST', 'rollout', { [word]: version }));
  }

  async stop() {
    await this.tell(() => ask('DELETE', 'rollout'));
  }

  /** @param {() => Promise<unknown>} call */
  async tell(call) {
    this.fault = '';
    this.isAsking = true;
    this.redraw();
    try {
      await call();
    } catch (error) {
      this.fault = /** @type {Error} */ (error).message;
    }
    this.isAsking = false;
    this.redraw();
  }

  /** @param {Stats} stats */
  view({ rollout, driver, slots, caller }) {
    const isRunning = rollout.state === 'running';
    const word = driver.name === 'process' ? 'command' : 'image';
    const count = Object.keys(slots).length;
    const refusal = whyNot(driver, caller);
    return html`<section class="rollout" aria-labelledby="rollout-title">
      <h2 id="rollout-title">Roll-out</h2>
      ${rollout.state === 'none' ? nothing : progress(rollout)}
      ${isRunning && caller.operate ? html`<button id="rollout-stop" @click=${() => void this.stop()}>Stop it here</button>` : nothing}
      ${refusal === '' ? nothing : html`<p class="empty">${refusal}</p>`}
      ${
        refusal === '' && !isRunning
          ? html`<form @submit=${(/** @type {any} */ event) => {
              event.preventDefault();
              void this.begin(word, String(new FormData(event.target).get('version')).trim());
            }}>
              <label>${word === 'image' ? 'Image' : 'Command'} <input name="version" id="rollout-version" required autocomplete="off" autocapitalize="none" spellcheck="false" placeholder=${word === 'image' ? 'app:2' : 'node app.js'}></label>
              <p class="hint">Replaces ${count === 1 ? 'the replica' : `all ${whole(count)} replicas, one slot at a time`}: a new one is proven before the old one drains, no slot is out for it, and no key moves. It stops by itself when a new one is not well.</p>
              <button ?disabled=${this.isAsking}>Begin</button>
            </form>`
          : nothing
      }
      ${this.fault === '' ? nothing : html`<p class="fault" role="alert">${this.fault}</p>`}
    </section>`;
  }
}

/** What would be refused is not offered. @param {Stats['driver']} driver @param {Stats['caller']} caller */
function whyNot(driver, caller) {
  if (!driver.creates && !driver.orders) return 'The replicas are given: torc cannot replace them.';
  if (!caller.operate) return `${caller.name} may only read: to begin or stop one needs the role “operate”.`;
  if (driver.name !== 'process' || caller.command) return '';
  return 'A command is run as the user of torc, so naming one needs TORC_ADMIN_TOKEN, also on loopback.';
}

/** @param {Stats['rollout']} rollout */
function progress({ state, version = '', done = [], left = [], now, why, startedAt = '', endedAt = '' }) {
  const all = done.length + left.length;
  const isRunning = state === 'running';
  return html`<p class="version-line"><strong>${version}</strong> ${isRunning ? 'is rolled out' : state} <small>${isRunning ? `since ${clock(Date.parse(startedAt))}` : `at ${clock(Date.parse(endedAt))}`}</small></p>
    ${isRunning ? html`<progress aria-label="Slots that run it" max=${all} value=${done.length}></progress>` : nothing}
    <p id="rollout-progress" aria-live="polite">${isRunning ? `${done.length} of ${all} slots run it${now === undefined ? '' : `; slot ${now} is being proven`}.` : `${done.length} ${done.length === 1 ? 'slot was' : 'slots were'} changed.`} ${why ?? ''}</p>`;
}
