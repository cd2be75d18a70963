// Who has the keys of a slot that is out? The share of the table that each slot owns, and for those that are not usable
// the slots that serve its places meanwhile: one by one, by the data plane's own pick with nothing in flight. Pure; some
// milliseconds for a whole table, so it is done once per epoch and not per reader.

import type { SnapshotMessage } from '../core/types.ts';
import { ownerAt, placeCount, placeHash } from '../ring/sample.ts';
import type { RingSlot } from '../ring/table.ts';
import { NO_SLOT, pick } from '../routing/pick.ts';
import { pickableOf } from './explain.ts';

/** Those that hold most of a lost slot's keys; a thousand slots share it among hundreds. */
const MOST_NAMED = 12;

export interface Ownership {
  /** Of all rows, 0 to 1. */
  readonly share: number;
  /** Slot and share of all rows, the largest first; empty for a slot that serves. */
  readonly lent: readonly { readonly to: string; readonly share: number }[];
}

/** By slot name. `slots`: all that the table has; what is out for good has no upstream in the snapshot. */
export function ownershipOf(snapshot: SnapshotMessage, slots: readonly RingSlot[]): Map<string, Ownership> {
  const pickable = pickableOf(snapshot);
  const { table } = pickable;
  const places = placeCount(table);
  const owned = new Map<number, number>();
  const lent = new Map<number, Map<number, number>>();
  for (let place = 0; place < places; place++) {
    const hash = placeHash(table, place);
    const owner = ownerAt(table, hash);
    owned.set(owner, (owned.get(owner) ?? 0) + 1);
    if (pickable.usable[owner] === 1) continue;
    const to = pick(pickable, hash, [], 0, 0);
    if (to === NO_SLOT) continue;
    const byLender = lent.get(owner) ?? new Map<number, number>();
    lent.set(owner, byLender.set(to, (byLender.get(to) ?? 0) + 1));
  }
  const nameOf = new Map(slots.map(({ id, name }) => [id, name]));
  return new Map(
    slots.map(({ id, name }) => [
      name,
      {
        share: round((owned.get(id) ?? 0) / places),
        lent: [...(lent.get(id) ?? [])]
          .sort(([, a], [, b]) => b - a)
          .slice(0, MOST_NAMED)
          .map(([to, count]) => ({ to: nameOf.get(to) ?? `id ${to}`, share: round(count / places) })),
      },
    ]),
  );
}

const round = (share: number): number => Math.round(share * 1e6) / 1e6;
