// One word for where all keys go: two torcs with the same digest route alike, and an operator compares two lines instead of
// two tables. It is made of what a table is a function of (ring, source of keys, names, weights), not of the table, whose rows
// hold ids that each torc gives out itself (`checksum` is of those, and tells a worker's copy from the primary's). A hash that
// anybody can compute with `sha256sum`, because the others to compare with may be a list in somebody's repository.
//
//   torc ring 1                   the placement's version
//   rendezvous 65536              ring and rows; an exact circle has none
//   query:request_id,path         TORC_KEY
//   10.0.0.1:80 1                 a line for each slot, in the order of their bytes (LC_ALL=C sort): name, weight, and on
//   10.0.0.2:80 3                 an exact circle its id or place, `-` where it has none

import { createHash } from 'node:crypto';
import { isCircle, type RingAlgorithm } from '../core/types.ts';
import type { RingSlot } from './table.ts';

/** Another one for every change by which a key of some ring goes to another slot. */
const PLACEMENT_VERSION = 1;
/** Of SHA-256, in hex: enough for who compares what nobody forges. */
const DIGEST_LENGTH = 16;

export interface Placement {
  readonly algorithm: RingAlgorithm;
  readonly rows: number;
  /** TORC_KEY, as it is written. */
  readonly key: string;
  readonly slots: readonly Pick<RingSlot, 'name' | 'weight' | 'serverId'>[];
}

/** What is hashed. */
export function placementText({ algorithm, rows, key, slots }: Placement): string {
  const isExact = isCircle(algorithm);
  const lines = slots.map(
    ({ name, weight = 1, serverId }) => `${name} ${weight}${isExact ? ` ${serverId ?? '-'}` : ''}`,
  );
  const head = [
    `torc ring ${PLACEMENT_VERSION}`,
    isExact ? algorithm : `${algorithm} ${rows}`,
    key.replace(/\s/g, ''),
  ];
  return `${[...head, ...lines.sort()].join('\n')}\n`;
}

export const placementDigest = (placement: Placement): string =>
  createHash('sha256').update(placementText(placement)).digest('hex').slice(0, DIGEST_LENGTH);
