// Hot: runs per request; allocates nothing, throws nothing, every walk is bounded.
// Chooses the slot that serves a key: the first choice of its row that is usable and not tried yet. Past the row the
// following rows are walked (so that the keys of a lost slot spread as the table spreads them), then all slots.
//
// Bounded load (Mirrokni, Thorup, Zadimoghaddam: arXiv 1608.01350), with `factor` > 0: no slot is picked that has
// ceil(factor x (in flight + 1) x its share of the usable slots' weights) requests already, while another usable one has fewer.
// Guarantee, per worker: a pick never lifts a slot above that bound, unless all others were tried. There is always such a slot,
// because the bounds together exceed what is in flight. A slot that warms up (slow-start.ts) is full for keys whose turn has
// not come. Workers count for themselves: across W of them it is a mean.

import { CHOICES, firstPoint, isNearerBefore, rowOf } from '../ring/table.ts';
import { placeOf, type SlowStart } from './slow-start.ts';
import type { Snapshot } from './snapshot.ts';

/** Rows walked past the key's own before all slots are looked at one by one. */
const MAX_ROWS = 64;

export const NO_SLOT = -1;

/** What it takes of a snapshot; /admin/explain asks with one of its own. */
export interface Pickable
  extends Pick<Snapshot, 'table' | 'usable' | 'usableCount' | 'weights' | 'ids' | 'slowStart'> {
  readonly upstreams: readonly ({ readonly inFlight: number } | null)[];
}

/** The slot id for a key's hash, or NO_SLOT. `tried` holds the slot ids of earlier attempts. */
export function pick(
  snapshot: Pickable,
  hash: number,
  tried: readonly number[],
  factor: number,
  inFlight: number,
): number {
  const { usableCount } = snapshot;
  if (usableCount === 0) return NO_SLOT;
  const { slowStart } = snapshot;
  if (factor === 0 && slowStart === null) return walk(snapshot, hash, tried, Number.POSITIVE_INFINITY, null);
  const load = factor === 0 ? Number.POSITIVE_INFINITY : factor * (inFlight + 1);
  const slotId = walk(snapshot, hash, tried, load, slowStart);
  return slotId === NO_SLOT ? walk(snapshot, hash, tried, Number.POSITIVE_INFINITY, null) : slotId;
}

/** `load`: what all slots together may have, each its weight's share of it, rounded up. */
function walk(
  snapshot: Pickable,
  hash: number,
  tried: readonly number[],
  load: number,
  slowStart: SlowStart | null,
): number {
  const { table } = snapshot;
  const { choices, rows } = table;
  let row = rowOf(table, hash);
  if (table.nearest && !isUsable(snapshot, choices[row * CHOICES]!)) row = nearestUsable(snapshot, hash);
  const most = table.nearest ? rows : Math.min(MAX_ROWS, rows);
  for (let walked = 0; walked < most; walked++) {
    const start = row * CHOICES;
    for (let index = start; index < start + CHOICES; index++) {
      const slotId = choices[index]!;
      if (isOpen(snapshot, slotId, tried, load) && isTaken(slowStart, slotId, hash)) return slotId;
    }
    row = row + 1 === rows ? 0 : row + 1;
  }
  const { ids } = snapshot;
  for (let index = 0; index < ids.length; index++) {
    // Started at the hash, so that the keys of many full slots do not all fall on the first id.
    const slotId = ids[(index + (hash >>> 8)) % ids.length]!;
    if (isOpen(snapshot, slotId, tried, load) && isTaken(slowStart, slotId, hash)) return slotId;
  }
  return NO_SLOT;
}

/** On HAProxy's circle: a server that is down has no points. One turn at most; a row where there is no usable slot. */
function nearestUsable(snapshot: Pickable, hash: number): number {
  const { choices, points, rows } = snapshot.table;
  const place = hash >>> 0;
  const first = firstPoint(points!, place);
  let next = first;
  for (let walked = 0; walked < rows && !isUsable(snapshot, choices[next * CHOICES]!); walked++)
    next = next + 1 === rows ? 0 : next + 1;
  let before = first === 0 ? rows - 1 : first - 1;
  for (let walked = 0; walked < rows && !isUsable(snapshot, choices[before * CHOICES]!); walked++)
    before = before === 0 ? rows - 1 : before - 1;
  return isNearerBefore(points![before]!, place, points![next]!) ? before : next;
}

const isUsable = ({ usable }: Pickable, slotId: number): boolean =>
  slotId < usable.length && usable[slotId] === 1;

/** Not before its turn, where the slot warms up. */
const isTaken = (slowStart: SlowStart | null, slotId: number, hash: number): boolean =>
  slowStart === null || placeOf(hash) < slowStart.marks[slotId]!;

export function isOpen(snapshot: Pickable, slotId: number, tried: readonly number[], load: number): boolean {
  if (!isUsable(snapshot, slotId)) return false;
  for (let index = 0; index < tried.length; index++) if (tried[index] === slotId) return false;
  if (load === Number.POSITIVE_INFINITY) return true;
  const { of, sum } = snapshot.weights;
  return snapshot.upstreams[slotId]!.inFlight < Math.ceil((load * of[slotId]!) / sum);
}
