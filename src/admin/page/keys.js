// The busiest keys of now, which come with the stream every two seconds. Where torc does not count them there is a word in
// place of the table.

import { percent, rate } from './format.js';
import { html, nothing } from './lit/lit-html.js';

/** @typedef {import('./types.js').HotKeys} HotKeys */

/** @param {HotKeys | null} told @param {(name: string) => void} onChoose */
export function hotKeys(told, onChoose) {
  if (told === null) return nothing;
  const { mode, keysAre, halfLifeS, keylessShare, keys } = told;
  const most = Math.max(0.000001, ...keys.map(({ share, shareNow }) => Math.max(share, shareNow)));
  return html`<section class="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">Hot keys <small>share of the requests, half-life ${halfLifeS} s${keysAre === 'hashed' ? '; hashed' : ''}</small></h2>
      ${mode === 'off' ? html`<p class="empty">Not counted (TORC_HOT_KEYS=off).</p>` : keys.length === 0 ? html`<p class="empty">No request had a key lately.</p>` : nothing}
      ${
        keys.length === 0
          ? nothing
          : html`<table role="table" aria-labelledby="keys-title"><thead role="rowgroup"><tr role="row">
            <th role="columnheader" scope="col">Key</th><th role="columnheader" scope="col">Slot</th><th role="columnheader" scope="col" class="number">Share</th><th role="columnheader" scope="col" class="number">Now</th><th role="columnheader" scope="col" class="number">Requests/s</th></tr></thead>
          <tbody role="rowgroup">${keys.map(key => row(key, most, onChoose))}</tbody></table>`
      }
      ${keylessShare > 0 ? html`<p class="hint">${percent(keylessShare)} of the requests have no key.</p>` : nothing}
    </section>`;
}

/** @param {HotKeys['keys'][number]} key @param {number} most @param {(name: string) => void} onChoose */
function row({ key, cut, share, shareNow, requestsPerS, slot }, most, onChoose) {
  return html`<tr role="row"><td role="cell" class="key"><code title=${key}>${key}${cut ? '…' : ''}</code>
        <svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true"><rect width=${(100 * share) / most} height="3"></rect></svg></td>
      <td role="cell">${slot === null ? 'none' : html`<button class="choose" @click=${() => onChoose(slot)}>${slot}</button>`}</td>
      <td role="cell" class="number">${percent(share)}</td><td role="cell" class="number">${percent(shareNow)}</td><td role="cell" class="number">${rate(requestsPerS)}</td></tr>`;
}
