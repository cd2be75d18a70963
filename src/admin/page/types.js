// The words of the page as types. The document is the server's own (stats-view.ts), so that what the page reads cannot
// drift from what is sent. Nothing here runs.

/** @typedef {import('../stats-view.ts').StatsAnswer} Stats */
/** @typedef {import('../hot-keys.ts').HotKeysView} HotKeys */
/** @typedef {Stats['slots'][string]} Slot */
/** @typedef {Stats['spares']['each'][string]} Spare */
/** @typedef {import('../../control/journal.ts').JournalEntry} Entry */
/** @typedef {import('lit-html').TemplateResult | typeof import('lit-html').nothing} Part */

/**
 * @typedef {object} LinkState
 * @property {'connecting' | 'live' | 'stale' | 'paused' | 'token' | 'refused'} kind
 * @property {number} sinceMs
 * @property {string} why
 */

/**
 * @typedef {object} State
 * @property {LinkState} link
 * @property {Stats | null} stats
 * @property {HotKeys | null} hotKeys
 * @property {Entry[]} entries newest first
 * @property {string} chosen a slot's name, or ''
 * @property {boolean} hasToken
 */

export {};
