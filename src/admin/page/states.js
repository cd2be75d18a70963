// How a state looks: a shape and its word, so that no colour says anything alone. Drawn rather than typed, because fonts differ
// in what they make of such signs.

import { html } from './lit/lit-html.js';

/** @type {Record<string, string>} */
const shapes = {
  ready: 'M5 1a4 4 0 1 1-.01 0Z',
  starting: 'M5 1.2a3.8 3.8 0 1 1-.01 0ZM5 1.2v7.6A3.8 3.8 0 0 0 5 1.2Z',
  suspect: 'M5 .8 9.4 9H.6Z',
  draining: 'M5 1.5a3.5 3.5 0 1 1-.01 0Z',
  dead: 'M1.8 1.8l6.4 6.4m0-6.4-6.4 6.4',
};

/** @param {string} state */
export const mark = state =>
  html`<svg class="mark ${state}" viewBox="0 0 10 10" aria-hidden="true"><path d=${shapes[state] ?? shapes.dead}></path></svg>`;

/** @param {string} state */
export const named = state => html`<span class="state ${state}">${mark(state)}${state}</span>`;
