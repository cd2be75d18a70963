// The busiest keys of now, asked for every two seconds while the page is seen. Where torc does not count them (the endpoint is
// not there, or it is set to off) there is a word in place of the table, or nothing.

import { percent, rate } from './format.js';
import { ask, Refused } from './link.js';
import { html, nothing } from './lit/lit-html.js';

const EVERY_MS = 2_000;

export class HotKeys {
  /** @param {() => void} redraw @param {() => boolean} isLive @param {(name: string) => void} onChoose */
  constructor(redraw, isLive, onChoose) {
    this.redraw = redraw;
    this.isLive = isLive;
    this.onChoose = onChoose;
    /** @type {any} */
    this.answer = null;
    this.isThere = true;
    setInterval(() => void this.ask(), EVERY_MS);
  }

  async ask() {
    if (!this.isThere || !this.isLive() || document.hidden) return;
    try {
      this.answer = await ask('GET', 'hot-keys?n=20');
    } catch (error) {
      if (error instanceof Refused && error.status === 404) this.isThere = false;
      return;
    }
    this.redraw();
  }

  view() {
    if (this.answer === null) return nothing;
    const { mode, keysAre, halfLifeS, keylessShare, keys } = this.answer;
    const most = Math.max(
      0.000001,
      ...keys.map((/** @type {any} */ key) => Math.max(key.share, key.shareNow)),
    );
    return html`<section class="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">Hot keys <small>share of the requests, half-life ${halfLifeS} s${keysAre === 'hashed' ? '; hashed' : ''}</small></h2>
      ${mode === 'off' ? html`<p class="empty">Not counted (TORC_HOT_KEYS=off).</p>` : keys.length === 0 ? html`<p class="empty">No request had a key lately.</p>` : nothing}
      ${
        keys.length === 0
          ? nothing
          : html`<table role="table" aria-labelledby="keys-title"><thead role="rowgroup"><tr role="row">
            <th role="columnheader" scope="col">Key</th><th role="columnheader" scope="col">Slot</th><th role="columnheader" scope="col" class="number">Share</th><th role="columnheader" scope="col" class="number">Now</th><th role="columnheader" scope="col" class="number">Requests/s</th></tr></thead>
          <tbody role="rowgroup">${keys.map((/** @type {any} */ key) => this.row(key, most))}</tbody></table>`
      }
      ${keylessShare > 0 ? html`<p class="hint">${percent(keylessShare)} of the requests have no key.</p>` : nothing}
    </section>`;
  }

  /** @param {any} key @param {number} most */
  row({ key, cut, share, shareNow, requestsPerS, slot }, most) {
    return html`<tr role="row"><td role="cell" class="key"><code title=${key}>${key}${cut ? '…' : ''}</code>
        <svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true"><rect width=${(100 * share) / most} height="3"></rect></svg></td>
      <td role="cell">${slot === null ? 'none' : html`<button class="choose" @click=${() => this.onChoose(slot)}>${slot}</button>`}</td>
      <td role="cell" class="number">${percent(share)}</td><td role="cell" class="number">${percent(shareNow)}</td><td role="cell" class="number">${rate(requestsPerS)}</td></tr>`;
  }
}
