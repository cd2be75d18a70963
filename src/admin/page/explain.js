// Where does a key, or a whole request, go? Asked of /admin/explain, which asks the data plane's own pick. The key is sent in
// the bytes in which a request would carry it; only what cannot stand in a query is encoded, as clients do.

import { ask } from './link.js';
import { html, nothing } from './lit/lit-html.js';
import { named } from './states.js';

export class Explain {
  /** @param {() => void} redraw */
  constructor(redraw) {
    this.redraw = redraw;
    /** @type {any} */
    this.answer = null;
    this.fault = '';
    this.isRequest = false;
    this.asked = 0;
  }

  /** The slots of the key's row, in order; drawn into the ring. @returns {string[]} */
  get choices() {
    return this.answer?.choices?.map((/** @type {any} */ { slot }) => slot) ?? [];
  }

  /** @param {HTMLFormElement} form */
  async ask(form) {
    const field = (/** @type {string} */ name) => String(new FormData(form).get(name) ?? '');
    const asked = ++this.asked;
    this.fault = '';
    try {
      const answer = await ask(
        'GET',
        `explain?${this.isRequest ? requestOf(field) : `key=${raw(field('key'))}`}`,
      );
      if (asked === this.asked) this.answer = answer;
    } catch (error) {
      if (asked !== this.asked) return;
      this.answer = null;
      this.fault = /** @type {Error} */ (error).message;
    }
    this.redraw();
  }

  view() {
    return html`<section class="explain" aria-labelledby="explain-title">
      <div class="bar"><h2 id="explain-title">Explain</h2>
        <label><input type="checkbox" .checked=${this.isRequest} @change=${(/** @type {any} */ event) => {
          this.isRequest = event.target.checked;
          this.redraw();
        }}> a whole request</label></div>
      <form @submit=${(/** @type {any} */ event) => {
        event.preventDefault();
        void this.ask(event.target);
      }}>
        ${
          this.isRequest
            ? html`<label>Target <input name="target" required placeholder="/path?query" autocomplete="off"></label>
              <label>Headers <textarea name="headers" rows="2" placeholder="name: value, a line each"></textarea></label>
              <label>Body <textarea name="body" rows="2" placeholder="where the key is in it"></textarea></label>
              <label>Client's address <input name="ip" placeholder="where it is the key" autocomplete="off"></label>`
            : html`<label>Key <input name="key" id="explain-key" required placeholder="as a request carries it" autocomplete="off" autocapitalize="none" spellcheck="false"></label>`
        }
        <button>Explain</button>
      </form>
      ${this.fault === '' ? nothing : html`<p class="fault" role="alert">${this.fault}</p>`}
      <div aria-live="polite" id="explained">${this.answer === null ? nothing : answered(this.answer)}</div>
    </section>`;
  }
}

/** @param {any} answer */
function answered({ key, source, hash, row, rows, choices = [], servedBy, because }) {
  if (key === null) return html`<p>${because}.</p>`;
  return html`<p class="served">${servedBy === null ? 'Nobody serves it' : html`<strong>${servedBy}</strong> serves it`}: ${because}.</p>
    <dl class="facts"><div><dt>Key</dt><dd><code>${key}</code> <small>from ${source}</small></dd></div>
      <div><dt>Hash</dt><dd><code>${hash}</code></dd></div>
      <div><dt>Row</dt><dd><code>${row}</code> <small>of ${rows}</small></dd></div></dl>
    <ol class="choices">${choices.map(
      (/** @type {any} */ { slot, state, skipped }) =>
        html`<li><strong>${slot}</strong> ${named(state)} ${skipped === undefined ? nothing : html`<span class="cause">skipped: ${skipped}</span>`}</li>`,
    )}</ol>`;
}

/** @param {string} key */
const raw = key => key.replaceAll('&', '%26').replaceAll('#', '%23');

/** @param {(name: string) => string} field */
function requestOf(field) {
  const headers = field('headers')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');
  const parts = [
    `target=${encodeURIComponent(field('target'))}`,
    ...headers.map(line => `header=${encodeURIComponent(line)}`),
  ];
  for (const name of ['ip', 'body'])
    if (field(name) !== '') parts.push(`${name}=${encodeURIComponent(field(name))}`);
  return parts.join('&');
}
