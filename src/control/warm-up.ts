// Whether a slot that becomes ready takes its keys little by little (TORC_SLOW_START_MS), and which of them; pure. One that has
// another replica than before does; not the replicas that torc starts with or finds, which nobody stands in for; nor one that
// was only doubted, and has its caches still. Of a given replica nobody knows whether what is back is what went.

import type { WarmUp } from '../core/types.ts';
import type { SupervisorSettings } from './options.ts';
import type { Slot } from './slots.ts';

/** What was doubted for less was not away. */
const AWAY_MS = 1_000;

export interface Becoming {
  /** Its replica has never been ready before. */
  readonly isNew: boolean;
  /** Somebody else makes the replicas. */
  readonly isGiven: boolean;
  readonly nowMs: number;
  readonly wallMs: number;
}

/** Before the slot's move to ready. */
export function warmUpOf(
  slot: Slot,
  { slowStartMs, returnHow }: Pick<SupervisorSettings, 'slowStartMs' | 'returnHow'>,
  { isNew, isGiven, nowMs, wallMs }: Becoming,
): WarmUp | null {
  if (slowStartMs === 0) return null;
  const isBack = isGiven && slot.trouble !== null && nowMs - slot.trouble.atMs >= AWAY_MS;
  if (slot.isFromStart || !(isNew || isBack)) return slot.warmUp;
  // A slot's first replica has no keys that were lent.
  const wasThere = slot.generation > 1 || isBack;
  const keys = returnHow === 'gradual' && wasThere ? 'lent' : 'all';
  return { fromMs: wallMs, untilMs: wallMs + slowStartMs, keys };
}
