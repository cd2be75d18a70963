// What a replica may not say in torc's name. `x-served-by` names the slot, and `Via` ends in torc's pseudonym: both are
// torc's own word, and a replica's in their place would pass one slot off as another, so they are taken out before torc
// adds its own. Entries of other proxies on a replica's side stay in `Via`, in their order (RFC 9110 section 7.6.3).
// Only heads that have such a field come here (upstream/response.ts sees them in passing).

import { trimOws } from '../core/ows.ts';

/** A protocol, the pseudonym, and perhaps a comment. */
const OWN_ENTRY = /^[^ \t]+[ \t]+torc(?:[ \t(].*)?$/i;

/** `fields` are lines with their CRLF. */
export function withoutClaims(fields: string, servedBy: boolean): string {
  const lines = fields.split('\r\n');
  let isLast = true;
  // From the end: what stands last in `Via` is what a reader takes for the hop next to it.
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index]!;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (name === 'x-served-by' && servedBy) lines.splice(index, 1);
    if (name !== 'via' || !isLast) continue;
    const value = withoutOwnEntries(trimOws(line.slice(colon + 1)));
    isLast = value === '';
    if (isLast) lines.splice(index, 1);
    else lines[index] = `${line.slice(0, colon)}: ${value}`;
  }
  return lines.join('\r\n');
}

function withoutOwnEntries(value: string): string {
  let end = value.length;
  while (end > 0) {
    const start = startOfLast(value, end);
    const entry = trimOws(value.slice(start, end));
    if (entry !== '' && !OWN_ENTRY.test(entry)) break;
    end = Math.max(0, start - 1);
  }
  return trimOws(value.slice(0, end));
}

/** Where the last entry before `end` begins; a comma in a comment parts nothing. */
function startOfLast(value: string, end: number): number {
  let depth = 0;
  for (let at = end - 1; at >= 0; at--) {
    const char = value[at];
    if (char === ')') depth++;
    else if (char === '(') depth = Math.max(0, depth - 1);
    else if (char === ',' && depth === 0) return at + 1;
  }
  return 0;
}
