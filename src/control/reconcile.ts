// The pure decisions of a tick: desired (the slots), observed (their members, the driver's list) and now go in, actions
// come out. It decides by the state that is, never by what happened (kubernetes' replica_set.go, swarmkit's jobs
// reconciler), so a lost or doubled event changes nothing but the time. Never two actions for one slot at once: a start
// under way is an expectation on the slot. Few starts at once, serving slots before spares, so that the first one back
// serves soonest (STARTS_AT_ONCE).

import { hostPort } from '../core/host-port.ts';
import type { Random } from '../core/random.ts';
import type { Replica } from './driver.ts';
import type { Signal } from './inbox.ts';
import { isSlotName } from './membership.ts';
import type { Slot } from './slots.ts';

export type Action =
  | { readonly kind: 'start'; readonly slot: Slot }
  | { readonly kind: 'promote'; readonly slot: Slot; readonly spare: Slot }
  /** A spare of another version than is wanted now: to be replaced. */
  | { readonly kind: 'discard'; readonly slot: Slot };

/**
 * Calls to the driver's `start` at once. More of them bring nothing: an engine starts one container in 0.37 s and 5 side
 * by side in 1.45 s, 80 % of it work of the kernel and runc that queues for itself. An /add of 10, in turns with a bound
 * of 2, 3, 4 and 5, took 4.5, 4.6, 5.3 and 4.1 s (medians of 3 of 3.5 to 5.8 s; 2026-11-22, Docker 20.10, 2 cores).
 * A second one fills the pauses of the first, and what is being healed waits for one start at most.
 */
export const STARTS_AT_ONCE = 2;

/** A replica that was ready for this long was well: its death is no failure of its slot. */
export const STABLE_MS = 5_000;
const BACKOFF_BASE_MS = 100;
export const BACKOFF_MAX_MS = 30_000;

/** Full jitter below a doubling cap; the first replacement comes at once (AWS, "Exponential backoff and jitter", 2015). */
export function backoffMs(failureCount: number, random: Random): number {
  if (failureCount <= 1) return 0;
  return random() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(failureCount - 1, 30));
}

/** What to do now. `slots`: serving ones first. `startsAtOnce` is 0 while nothing can be started. */
export function reconcile(slots: readonly Slot[], nowMs: number, startsAtOnce = STARTS_AT_ONCE): Action[] {
  const actions: Action[] = [];
  const warm = slots.filter(slot => slot.spare && slot.seatOf === null && slot.member?.state === 'ready');
  let startCount = slots.reduce((count, slot) => count + (slot.starting === null ? 0 : 1), 0);
  for (const slot of slots) {
    if (slot.spare && slot.member !== null && slot.member.version !== slot.version)
      actions.push({ kind: 'discard', slot });
    if (!isDue(slot, nowMs)) continue;
    const fits = slot.spare ? -1 : warm.findIndex(spare => spare.member?.version === slot.version);
    if (fits !== -1) actions.push({ kind: 'promote', slot, spare: warm.splice(fits, 1)[0]! });
    else if (startCount < startsAtOnce) {
      actions.push({ kind: 'start', slot });
      startCount++;
    }
  }
  return actions;
}

const isEmpty = (slot: Slot): boolean => slot.member === null && slot.starting === null;
const isDue = (slot: Slot, nowMs: number): boolean => isEmpty(slot) && slot.retryAtMs <= nowMs;

/** When `reconcile` or a readmission has something to do next, if nothing happens before; Infinity for never. */
export function nextDueMs(slots: readonly Slot[], nowMs: number): number {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const slot of slots) {
    // What is due already waits for a place, which is an occasion of its own.
    if (isEmpty(slot) && slot.retryAtMs > nowMs) dueMs = Math.min(dueMs, slot.retryAtMs);
    const untilMs = slot.member?.state === 'suspect' ? slot.member.ejectedUntilMs : 0;
    if (untilMs > nowMs) dueMs = Math.min(dueMs, untilMs);
  }
  return dueMs;
}

export interface Differences {
  readonly signals: readonly Signal[];
  /** Replicas that nobody here knows: left by a start that failed half way, or by a stop that could not be done. */
  readonly strays: readonly Replica[];
}

/**
 * Compares what torc believes with the driver's list. `believed`: members that were there before the list was asked for;
 * `isOurs`: known in any way by now, or about to be (a start under way).
 */
export function compare(
  believed: readonly Replica[],
  listed: readonly Replica[],
  isOurs: (replica: Replica) => boolean,
  nowMs: number,
): Differences {
  const byId = new Map(listed.map(replica => [replica.id, replica]));
  const signals: Signal[] = [];
  for (const replica of believed) {
    const found = difference(replica, byId.get(replica.id));
    if (found !== null) signals.push({ replicaId: replica.id, source: 'listing', atMs: nowMs, ...found });
  }
  return { signals, strays: listed.filter(replica => !isOurs(replica)) };
}

function difference(believed: Replica, listed: Replica | undefined): Pick<Signal, 'kind' | 'cause'> | null {
  if (listed === undefined) return { kind: 'gone', cause: 'it is no longer there' };
  if (listed.status === 'stopped') return { kind: 'gone', cause: listed.ended ?? 'it is stopped' };
  if (listed.status === 'paused') return { kind: 'suspect', cause: 'it is paused' };
  if (listed.host === believed.host && listed.port === believed.port) return null;
  return { kind: 'going', cause: `its address became ${hostPort(listed.host, listed.port)}` };
}

/** What may be taken over at the first list: of each slot the newest running replica, slots in a natural order. */
export function adoptable(listed: readonly Replica[]): Replica[] {
  const newest = new Map<string, Replica>();
  for (const replica of listed) {
    if (replica.status !== 'running' || !isSlotName(replica.slot)) continue;
    const key = replica.spare ? replica.id : replica.slot;
    const known = newest.get(key);
    if (known === undefined || known.generation < replica.generation) newest.set(key, replica);
  }
  return [...newest.values()].sort(byName);
}

/** "2" before "10" before "a". */
function byName(a: Replica, b: Replica): number {
  const [x, y] = [Number(a.slot), Number(b.slot)];
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return Number.isNaN(x) ? (a.slot < b.slot ? -1 : 1) : x - y;
}
