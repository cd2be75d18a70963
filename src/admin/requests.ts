// `/requests/ID`: the latest keys of a slot and their exact count. Keys may be session cookies, tokens or paths with
// reset links, and the assignment wants this page open to everybody. So everybody gets the assignment's own keys, which
// are numbers; who may read under /admin gets all, and even then what may be a credential is a keyed hash: it can be
// compared, not used. A list of the names that credentials go by would never be complete, so only what is known to be
// none is shown. The page is made while it is read: no reader pins more than a piece of it.

import { createHmac } from 'node:crypto';
import type { KeyPart, KeySource } from '../config/fields.ts';

/** How much of one slot's page is shown. */
export type KeyView = 'numbers' | 'hashes' | 'all';

const HASH_LENGTH = 16;
/** Ids of one piece of the page. */
const PIECE_KEYS = 50;

/** Whether all keys are the assignment's own kind: from `request_id`, a path, or drawn by torc. */
export const isOpenFor = (sources: readonly KeySource[]): boolean =>
  all(
    sources,
    ({ kind, name }) =>
      kind === 'path' || kind === 'uri' || kind === 'random' || (kind === 'query' && name === 'request_id'),
  );

const all = (sources: readonly KeySource[], holds: (part: KeyPart) => boolean): boolean =>
  sources.every(({ parts }) => parts.every(holds));

export function keyView(sources: readonly KeySource[], mayRead: boolean, showKeys: boolean): KeyView {
  if (!mayRead) return 'numbers';
  return showKeys || all(sources, isNoCredential) ? 'all' : 'hashes';
}

const isNoCredential = ({ kind, name }: KeyPart): boolean =>
  kind === 'path' ||
  kind === 'host' ||
  kind === 'ip' ||
  kind === 'random' ||
  (kind === 'query' && name === 'request_id');

/** The page's text, piece by piece; `keys` oldest first. */
export function* requestsPage(
  keys: readonly string[],
  count: number,
  view: KeyView,
  secret: Buffer,
): Generator<string> {
  const shown = view === 'numbers' ? keys.filter(key => /^\d{1,15}$/.test(key)) : keys;
  if (shown.length === 0) yield '{\n  "requests": [],\n';
  for (let start = 0; start < shown.length; start += PIECE_KEYS) {
    const lines = shown
      .slice(start, start + PIECE_KEYS)
      .map(key => `    ${JSON.stringify(view === 'hashes' ? hashOf(key, secret) : numberWhereExact(key))}`);
    yield `${start === 0 ? '{\n  "requests": [\n' : ',\n'}${lines.join(',\n')}`;
  }
  if (shown.length > 0) yield '\n  ],\n';
  yield `  "count": ${count},\n  "status": "successful"\n}\n`;
}

export const hashOf = (key: string, secret: Buffer): string =>
  `hash:${createHmac('sha256', secret).update(key, 'latin1').digest('hex').slice(0, HASH_LENGTH)}`;

/** Ids are numbers where nothing is lost by it: "7" is 7, "007" stays "007". */
function numberWhereExact(key: string): string | number {
  const value = Number(key);
  return Number.isSafeInteger(value) && String(value) === key ? value : key;
}
