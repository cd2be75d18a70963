// Places that stand for equal shares of all well-hashed keys, for whoever counts a ring. In a table each row is one; on a
// circle points stand close or far, so 65,536 places at equal steps are looked up. Not for the hot path.

import { CHOICES, NONE, rowOf, type Table } from './table.ts';

const PLACES_OF_A_CIRCLE = 65_536;

export const placeCount = ({ points, rows }: Table): number => (points === null ? rows : PLACES_OF_A_CIRCLE);

/** A hash that falls on the place. */
export const placeHash = ({ points }: Table, place: number): number =>
  points === null ? place : (place * (2 ** 32 / PLACES_OF_A_CIRCLE)) | 0;

/** The id of the slot that owns the hash, or NONE. */
export const ownerAt = (table: Table, hash: number): number =>
  table.choices[rowOf(table, hash) * CHOICES] ?? NONE;
