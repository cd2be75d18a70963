// Names that nobody knows, in the words of a fault: the nearest known one is offered, because most are misspelt. Whatever
// stands in a fault is bounded: a setting's name or value may be a whole file.

import { nearest } from '../core/nearest.ts';

/** Longer names and values are cut in a fault. */
const LONGEST_SHOWN = 80;
export const shown = (value: string): string =>
  value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}...` : value;

export function unknownName(name: string, known: readonly string[], where: string): string {
  if (name.length > LONGEST_SHOWN) return `${shown(name)}: is no setting of torc; see ${where}`;
  const candidate = nearest(name, known);
  return `${name}: is no setting of torc; ${candidate === null ? `see ${where}` : `did you mean ${candidate}?`}`;
}
