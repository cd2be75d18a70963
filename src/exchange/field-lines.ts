// Fields between the two shapes that they have here: node:http's flat list of names and values, and the lines that leave
// on the wire. Only for what is rare, 1xx answers and trailers: the fields of a head stay one text from end to end.

import { pairsOf } from '../core/field-syntax.ts';
import { mayTrail } from './headers.ts';

/** Those of the list that may be trailers, as lines. */
export function trailersOf(rawTrailers: readonly string[]): string {
  let text = '';
  for (let index = 0; index < rawTrailers.length; index += 2)
    if (mayTrail(rawTrailers[index]!)) text += `${rawTrailers[index]}: ${rawTrailers[index + 1]}\r\n`;
  return text;
}

export function trailerPairsOf(fields: string): [string, string][] {
  const pairs = pairsOf(fields);
  const list: [string, string][] = [];
  for (let index = 0; index < pairs.length; index += 2)
    if (mayTrail(pairs[index]!)) list.push([pairs[index]!, pairs[index + 1]!]);
  return list;
}
