// Hot: runs per answer.
// HPACK, written (RFC 7541): lines of fields, as an answer has them -> a block. Every field is a literal that nobody keeps, or a
// field of the static table: such a block is the same on every connection, so that what was made of a head is used for all
// clients, and there is no table to keep for each of them. Longer on the wire than with a table; nginx does the same.

import { isOfConnection } from '../../core/field-syntax.ts';
import { trimOws } from '../../core/ows.ts';
import { STATIC_NAMES, STATIC_VALUES } from './hpack-table.ts';

const indexes = new Map<string, number>();
for (let index = STATIC_NAMES.length - 1; index > 0; index--) indexes.set(STATIC_NAMES[index]!, index);
const statuses = new Map<string, number>();
for (let index = 1; index < STATIC_NAMES.length; index++)
  if (STATIC_NAMES[index] === ':status') statuses.set(STATIC_VALUES[index]!, index);

/** Bytes that the block of `text` takes at most: what is written of a line is shorter than it, but for a few large ones. */
export const roomFor = (text: string): number => text.length + 64 + (text.length >> 3);

/** Each returns where it ended. */
export function putStatus(out: Buffer, at: number, status: string): number {
  const known = statuses.get(status);
  if (known === undefined)
    return putString(out, putInteger(out, at, 0, 0x0f, indexes.get(':status')!), status);
  out[at] = 0x80 | known;
  return at + 1;
}

/** `lines` have their CRLF each, from `from` on. Fields that no answer of HTTP/2 has are left out. */
export function putLines(out: Buffer, at: number, lines: string, from: number): number {
  let to = at;
  for (let start = from; start < lines.length; ) {
    const end = lines.indexOf('\r\n', start);
    const colon = lines.indexOf(':', start);
    const name = lines.slice(start, colon).toLowerCase();
    if (!isLeftOut(name)) to = putField(out, to, name, trimOws(lines.slice(colon + 1, end)));
    start = end + 2;
  }
  return to;
}

export function putField(out: Buffer, at: number, name: string, value: string): number {
  const known = indexes.get(name);
  let to: number;
  if (known === undefined) {
    out[at] = 0;
    to = putString(out, at + 1, name);
  } else to = putInteger(out, at, 0, 0x0f, known);
  return putString(out, to, value);
}

/** As it is, a byte per character. */
function putString(out: Buffer, at: number, text: string): number {
  const to = putInteger(out, at, 0, 0x7f, text.length);
  return to + out.write(text, to, 'latin1');
}

/** `mask` are the bits of the first byte that are its; `first` has the others (section 5.1). */
function putInteger(out: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at] = first | mask;
  let to = at + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>= 7) out[to++] = 0x80 | (rest & 0x7f);
  out[to++] = rest;
  return to;
}

/** Not an answer's over HTTP/2; nor is `te`, which only asks. */
const isLeftOut = (lowerName: string): boolean => lowerName === 'te' || isOfConnection(lowerName);
