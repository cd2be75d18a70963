// From a set of slots to a table, whatever the algorithm. A table is a function of the set alone: neither the order in
// which slots came nor what was built before shows in it, so two torcs with the same slots route alike, and a restart
// moves no key. Names are hashed; ids are only written. Every update is a new table, because the old one is being read.

import { invariant } from '../core/invariant.ts';
import { isCircle, type RingAlgorithm } from '../core/types.ts';
import { ASSIGNMENT_ROWS, buildAssignment } from './assignment.ts';
import type { Circle } from './circle.ts';
import { buildHaproxy, buildHaproxyByAddress } from './haproxy.ts';
import { avalanche, murmurHash } from './hash.ts';
import { buildKetama } from './ketama.ts';
import { buildMaglev } from './maglev.ts';
import { buildNginx } from './nginx.ts';
import { RendezvousRows } from './rendezvous.ts';
import { buildRing } from './ring.ts';
import { buildSeed, SEED_ROWS } from './seed.ts';
import { CHOICES, makeTable, NONE, type RingSlot, type Table } from './table.ts';

export interface TableBuilder {
  readonly maxSlots: number;
  /** The table of these slots; `slotsFault` says beforehand what this asserts. */
  update(slots: readonly RingSlot[]): Table;
}

/** 512 / 9 and 1024 / 100 are what the historical circles hold; 1000 is what the others are measured with. */
const MAX_SLOTS: Readonly<Record<RingAlgorithm, number>> = {
  rendezvous: 1000,
  ring: 1000,
  maglev: 1000,
  assignment: 56,
  seed: 10,
  nginx: 1000,
  haproxy: 1000,
  'haproxy-addr-port': 1000,
  ketama: 1000,
};

/** Why `count` slots cannot be in one table, in plain words; null if they can. */
export function slotsFault(algorithm: RingAlgorithm, count: number): string | null {
  const most = MAX_SLOTS[algorithm];
  return count <= most ? null : `the ${algorithm} ring holds at most ${most} slots`;
}

/** Rows a table is built with: the historical rings have a fixed number, whatever the setting says, and a circle has its points. */
export function rowsOf(algorithm: RingAlgorithm, rows: number): number {
  if (algorithm === 'assignment') return ASSIGNMENT_ROWS;
  return algorithm === 'seed' ? SEED_ROWS : rows;
}

export function createTableBuilder(algorithm: RingAlgorithm, rows: number): TableBuilder {
  invariant(
    Number.isInteger(rows) && rows >= 1 && (rows & (rows - 1)) === 0,
    `${rows} rows are no power of two`,
  );
  const build = tableBuilder(algorithm, rows);
  return {
    maxSlots: MAX_SLOTS[algorithm],
    update(slots) {
      checkSlots(algorithm, slots);
      return build(slots.map(slot => ({ ...slot, weight: placedWeight(algorithm, slot) })));
    },
  };
}

/** Of what has no weight the place is kept; a circle's points are whole ones. */
function placedWeight(algorithm: RingAlgorithm, { weight = 1 }: RingSlot): number {
  if (weight === 0) return 1;
  return isCircle(algorithm) ? Math.max(1, Math.round(weight)) : weight;
}

function tableBuilder(algorithm: RingAlgorithm, rows: number): TableBuilder['update'] {
  const fromRows = (choicesOf: (slots: readonly RingSlot[]) => Uint16Array) => (slots: readonly RingSlot[]) =>
    makeTable(algorithm, choicesOf(slots));
  const fromCircle = (circleOf: (slots: readonly RingSlot[]) => Circle) => (slots: readonly RingSlot[]) => {
    const { choices, points } = circleOf(slots);
    return makeTable(algorithm, choices, points);
  };
  switch (algorithm) {
    case 'rendezvous': {
      const kept = new RendezvousRows(rows);
      return fromRows(slots => kept.update(slots));
    }
    case 'ring':
      return fromRows(slots => buildRing(slots, rows));
    case 'maglev':
      return fromRows(slots => buildMaglev(slots, rows));
    case 'assignment':
      return fromRows(buildAssignment);
    case 'seed':
      return fromRows(buildSeed);
    case 'nginx':
      return fromCircle(buildNginx);
    case 'haproxy':
      return fromCircle(buildHaproxy);
    case 'haproxy-addr-port':
      return fromCircle(buildHaproxyByAddress);
    case 'ketama':
      return fromCircle(buildKetama);
  }
}

function checkSlots(algorithm: RingAlgorithm, slots: readonly RingSlot[]): void {
  const fault = slotsFault(algorithm, slots.length);
  invariant(fault === null, `${slots.length} slots: ${fault}`);
  invariant(new Set(slots.map(slot => slot.name)).size === slots.length, 'two slots have one name');
  invariant(new Set(slots.map(slot => slot.id)).size === slots.length, 'two slots have one id');
  for (const { id } of slots) invariant(Number.isInteger(id) && id >= 0 && id < NONE, `${id} is no slot id`);
}

/** One uint32 for a whole table: workers compare it with the primary's, so that none routes by a damaged or old table. */
export function tableChecksum(table: Table): number {
  const { choices, points } = table;
  let sum = murmurHash(table.algorithm, 0, table.algorithm.length);
  // FNV-1a's step over 16-bit words: order matters, and 65,536 rows take a fraction of a millisecond.
  for (let index = 0; index < choices.length; index++) sum = Math.imul(sum ^ choices[index]!, 0x01000193);
  for (let index = 0; index < (points?.length ?? 0); index++)
    sum = Math.imul(sum ^ points![index]!, 0x01000193);
  return avalanche(sum ^ (choices.length / CHOICES)) >>> 0;
}
