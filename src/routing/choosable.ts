// Which slots may be picked, and for how much, from what the control plane says of their replicas. Apart from the snapshot, because
// the primary asks it as well, for what a worker would do (/admin/explain), and has no use for connections to replicas and
// the 8 MB of a pool that come with them.

import type { UpstreamSpec } from '../core/types.ts';

/** What bounded load shares out by. */
export interface Weights {
  /** By slot id; 0 where it is not usable. */
  readonly of: Float64Array;
  readonly sum: number;
}

export interface Choosable {
  /** By slot id; 1 where the slot may be picked. */
  readonly usable: Uint8Array;
  readonly usableCount: number;
  readonly weights: Weights;
  /** Slot ids that exist, for the walk of last resort. */
  readonly ids: readonly number[];
}

export function choosableOf(upstreams: readonly UpstreamSpec[]): Choosable {
  const ids = upstreams.map(spec => spec.slotId);
  const size = Math.max(0, ...ids.map(id => id + 1));
  const usable = new Uint8Array(size);
  const of = new Float64Array(size);
  let usableCount = 0;
  let sum = 0;
  for (const { slotId, state, weight = 1 } of upstreams) {
    if (state !== 'ready' || weight === 0) continue;
    usable[slotId] = 1;
    of[slotId] = weight;
    usableCount++;
    sum += weight;
  }
  return { usable, usableCount, weights: { of, sum }, ids };
}
