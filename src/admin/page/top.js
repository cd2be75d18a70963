// The top of the page: is all well, in a sentence; is this page itself up to date; and the figures of all slots together.
// What is wrong has a sentence each, which is also what a screen reader is told.

import { byName, clock, duration, latency, list, rate, whole } from './format.js';
import { html, nothing } from './lit/lit-html.js';
import { mark } from './states.js';

/** @typedef {import('./types.js').Stats} Stats */
/** @typedef {import('./types.js').State} State */

/** @param {State} state @param {{ again: () => void, forget: () => void }} on */
export function header({ stats, link, hasToken }, on) {
  return html`<header>
    <h1>torc</h1>
    ${stats && html`<p class="what">${stats.version} · ${stats.driver.name} · up ${duration(Date.parse(stats.at) - Date.parse(stats.startedAt))}</p>`}
    <p class="link ${link.kind}" id="link">
      ${mark(link.kind === 'live' ? 'ready' : link.kind === 'connecting' ? 'starting' : 'suspect')}
      <span>${linkInWords(link)}</span>
      ${link.kind === 'stale' || link.kind === 'refused' ? html`<button class="quiet" @click=${on.again}>Try now</button>` : nothing}
    </p>
    ${hasToken ? html`<button class="quiet" @click=${on.forget}>Forget token</button>` : nothing}
  </header>`;
}

/** @param {State['link']} link */
function linkInWords({ kind, sinceMs, why }) {
  if (kind === 'live') return 'live';
  if (kind === 'connecting') return 'connecting';
  if (kind === 'paused') return `paused since ${clock(sinceMs)}`;
  if (kind === 'token') return 'a token is needed';
  return `stale since ${clock(sinceMs)}: ${why}`;
}

/** @param {Stats} stats */
export function verdict(stats) {
  const faults = faultsOf(stats);
  return html`<p class="verdict ${faults.length === 0 ? 'well' : 'ill'}" id="verdict">
    ${mark(faults.length === 0 ? 'ready' : 'suspect')}
    <span>${faults.length === 0 ? `All ${whole(stats.replicas.of)} replicas are ready, every worker routes by the same epoch.` : faults.join(' ')}</span>
  </p>`;
}

/** In sentences. @param {Stats} stats @returns {string[]} */
export function faultsOf({ replicas, slots, spares, driver, workers }) {
  const faults = [];
  if (!driver.reachable)
    faults.push(
      `The ${driver.name} driver does not answer since ${clock(Date.parse(driver.since))}: ${driver.cause}.`,
    );
  if (replicas.ready < replicas.of) {
    const out = Object.values(slots)
      .filter(({ state }) => state !== 'ready')
      .map(({ name }) => name);
    const named = out.length > 6 ? `${list(out.sort(byName).slice(0, 5))} and more` : list(out.sort(byName));
    faults.push(`${whole(replicas.ready)} of ${whole(replicas.of)} replicas are ready; out: ${named}.`);
  }
  if (spares.ready < spares.of) faults.push(`${spares.ready} of ${spares.of} spares are ready.`);
  if (workers.current < workers.of)
    faults.push(`${workers.current} of ${workers.of} workers route by the current epoch.`);
  return faults;
}

/** @param {Stats} stats */
export function figures({ total, replicas, spares, ring, workers }) {
  const isSame = workers.current === workers.of;
  return html`<dl class="figures" aria-label="Now">
    ${figure('Requests/s', rate(total.requestsPerSecond))}
    ${figure('Errors/s', rate(total.errorsPerSecond), (total.errorsPerSecond ?? 0) > 0 ? 'bad' : '')}
    ${figure('p50', latency(total.p50Us))}
    ${figure('p99', latency(total.p99Us))}
    ${figure('In flight', whole(total.inFlight))}
    ${figure('Ready', `${whole(replicas.ready)} of ${whole(replicas.of)}`, replicas.ready < replicas.of ? 'bad' : '')}
    ${figure('Spares', spares.of === 0 ? 'none' : `${spares.ready} of ${spares.of}`, spares.ready < spares.of ? 'warn' : '')}
    ${figure('Epoch', html`${ring.epoch} <small>${isSame ? `on all ${workers.of} workers` : `on ${workers.current} of ${workers.of} workers`}</small>`, isSame ? '' : 'warn')}
  </dl>`;
}

/** @param {string} name @param {unknown} value */
const figure = (name, value, tone = '') =>
  html`<div class=${tone}><dt>${name}</dt><dd>${tone === 'bad' || tone === 'warn' ? mark('suspect') : nothing}${value}</dd></div>`;
