// What a worker's complaint about a replica is worth, as pure functions. A refused or reset connection is seen some 10 to
// 30 times sooner than the engine's event (measured: 4 ms against 40 to 130), so one is enough to doubt the replica and ask
// it. Timeouts and errors are weaker: only many in a short time eject, for a time that grows, as Envoy's outlier
// detection does (consecutive_gateway_failure 5, base_ejection_time times the ejections in a row). The same goes for a
// replica that answers its heartbeats and yet keeps failing connections. An error rate never takes more than a share of the
// slots, and no complaint ever takes the last ready one: a client that makes every replica fail must not empty the table.

import type { SuspectHint } from '../core/types.ts';

/** Complaints in a row, none of them older than the window, that make an outlier. */
export const OUTLIER_HINTS = 5;
export const OUTLIER_WINDOW_MS = 10_000;
const EJECTION_BASE_MS = 5_000;
const EJECTION_MAX_MS = 60_000;

/** `doubt`: out of routing until a heartbeat says otherwise; `eject`: out for a time; `note`: only counted. */
export type Verdict = 'note' | 'doubt' | 'eject';

export interface Complaints {
  readonly count: number;
  readonly sinceMs: number;
}

export interface Surroundings {
  readonly slotCount: number;
  readonly readyCount: number;
  /** Slots that are out for their error rate now. */
  readonly ejectedCount: number;
}

/** At most a third of the slots, but one at least. */
export const mostEjected = (slotCount: number): number => Math.max(1, Math.floor(slotCount / 3));

/**
 * Slots that missed heartbeats alone may take out at once: half of them, so that a shared cause (a database that every
 * heartbeat asks, all of them busy) neither empties the table nor ends every replica at the same time. Envoy's panic
 * threshold is 50 % too.
 */
export const mostHung = (slotCount: number): number => Math.ceil(slotCount / 2);
/** A slot that is kept for this reason is kept so long: what hangs for ever must be replaced some time. */
export const PANIC_MS = 60_000;

/** The count with one more complaint; an old series is forgotten. */
export function countComplaint(before: Complaints | null, nowMs: number): Complaints {
  if (before === null || nowMs - before.sinceMs > OUTLIER_WINDOW_MS) return { count: 1, sinceMs: nowMs };
  return { count: before.count + 1, sinceMs: before.sinceMs };
}

export function judgeHint(
  cause: SuspectHint['cause'],
  complaints: Complaints,
  around: Surroundings,
): Verdict {
  const mayEject = around.readyCount > 1 && around.ejectedCount < mostEjected(around.slotCount);
  if (complaints.count >= OUTLIER_HINTS && mayEject) return 'eject';
  return cause === 'refused' || cause === 'reset' ? 'doubt' : 'note';
}

export const ejectionMs = (ejectionCount: number): number =>
  Math.min(EJECTION_MAX_MS, EJECTION_BASE_MS * Math.max(1, ejectionCount));
