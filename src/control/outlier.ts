// What a worker's complaint about a replica is worth, as pure functions. A refused or reset connection is seen some 10 to
// 30 times sooner than the engine's event (measured: 4 ms against 40 to 130), so one is enough to doubt the replica and ask
// it. Timeouts and errors are weaker: only many in a row eject, for a time that grows, as Envoy's outlier detection does
// (consecutive_gateway_failure 5, base_ejection_time times the ejections in a row). The same goes for a replica that answers
// its heartbeats and yet keeps failing connections. In a row means that nobody was answered in between: one slow page
// among hundreds of good answers says nothing of its replica. An error rate never takes more than a share of the slots, and
// no complaint ever takes the last ready one: a client that makes every replica fail must not empty the table.

import type { SuspectHint } from '../core/types.ts';

/** Failures in a row that make an outlier; slow answers count half of one. */
export const OUTLIER_FAILURES = 5;
/** A pause so long between two complaints ends a series. */
export const OUTLIER_WINDOW_MS = 10_000;
const EJECTION_BASE_MS = 5_000;
const EJECTION_MAX_MS = 60_000;

/** What was said of a replica in a row: it has answered nobody in between. */
export interface Complaints {
  readonly count: number;
  readonly lastMs: number;
  /** Whole answers of it, over all workers, as of the last complaint. */
  readonly answers: number;
}

export interface Surroundings {
  readonly slotCount: number;
  readonly readyCount: number;
  /** Slots that are out for their error rate now. */
  readonly ejectedCount: number;
  /** Other ready slots that are complained of now. */
  readonly complainedCount: number;
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

/** The series with one more complaint; where the replica has answered since the last one, a new series begins. */
export function addComplaint(before: Complaints | null, answers: number, nowMs: number): Complaints {
  const goesOn = isCurrent(before, nowMs) && before.answers === answers;
  return { count: goesOn ? before.count + 1 : 1, lastMs: nowMs, answers };
}

export const isCurrent = (complaints: Complaints | null, nowMs: number): complaints is Complaints =>
  complaints !== null && nowMs - complaints.lastMs <= OUTLIER_WINDOW_MS;

/**
 * `inRow`: failures in a row at the worker that complains now. A series has two complaints at least, so that what other
 * workers saw between them is known. Where half of its siblings are complained of as well, none is sick: a page may be slow
 * on all of them, or what they all need.
 */
export function isOutlier(inRow: number, complaints: Complaints, around: Surroundings): boolean {
  const { readyCount, ejectedCount, slotCount, complainedCount } = around;
  if (inRow < OUTLIER_FAILURES || complaints.count < 2) return false;
  if (complainedCount * 2 >= readyCount - 1) return false;
  return ejectedCount < mostEjected(slotCount);
}

/** One refused or reset connection is enough to doubt a replica until a heartbeat says otherwise. */
export const isDoubt = (cause: SuspectHint['cause']): boolean => cause === 'refused' || cause === 'reset';

export const ejectionMs = (ejectionCount: number): number =>
  Math.min(EJECTION_MAX_MS, EJECTION_BASE_MS * Math.max(1, ejectionCount));
