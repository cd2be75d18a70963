// Hot where it is on: runs per request; allocates nothing but its one table, when the first key is lent.
// Keys that another slot than their own serves, and for how long they stay there. A conversation's cache is where it was served
// last, so one that was lent because its slot was full (bounded load) stays with its stand-in until it fell silent for
// TORC_LENT_STICKY_MS, and one that was lent while its slot was out comes home (TORC_RETURN=gradual) when it has been silent, or
// its time is over (slow-start.ts); a key that nobody lent is home at once.
//
// Remembered is hash -> stand-in, with when it was seen last, in a table of a fixed size where a newer key takes an older
// one's place: a bound without a list to keep in order. A key whose place was taken is looked up as one that was never
// lent. Each worker remembers what it lent itself: with one worker that is all.

import { CHOICES, rowOf } from '../ring/table.ts';
import { isOpen, NO_SLOT, pick } from './pick.ts';
import { placeOf } from './slow-start.ts';
import type { Snapshot } from './snapshot.ts';

/** Instead of a slot: the key's own would serve it but for its load, and the request may wait for that. */
export const WAITS = -2;

const PLACES = 65_536;
/** Of TORC_SLOW_START_MS: a lent key that was silent for so long goes home. */
const SILENT_SHARE = 0.5;
const NONE_TRIED: readonly number[] = [];

export interface LendingSettings {
  readonly balanceFactor: number;
  readonly balanceWaitMs: number;
  readonly lentStickyMs: number;
  readonly slowStartMs: number;
  readonly returnHow: 'now' | 'gradual';
}

export class Lending {
  /** Without any of it, requests are picked for alone. */
  isOn = false;
  readonly #counts: { lent: number };
  #factor = 0;
  #waitMs = 0;
  #stickyMs = 0;
  /** 0: slots that are back have all their keys at once. */
  #silenceMs = 0;
  #hashes: Int32Array | null = null;
  #standIns = new Uint16Array(0);
  #seenMs = new Float64Array(0);
  #lastMs = 0;

  /** `counts.lent`: requests that another slot served because their own was full. */
  constructor(settings: LendingSettings, counts: { lent: number }) {
    this.#counts = counts;
    this.configure(settings);
  }

  configure({ balanceFactor, balanceWaitMs, lentStickyMs, slowStartMs, returnHow }: LendingSettings): void {
    this.#factor = balanceFactor;
    this.#waitMs = balanceWaitMs;
    this.#stickyMs = lentStickyMs;
    this.#silenceMs = returnHow === 'gradual' ? slowStartMs * SILENT_SHARE : 0;
    this.isOn = balanceFactor > 0 || this.#silenceMs > 0;
  }

  /** The slot for a key's hash, NO_SLOT, or, where it `mayWait`, WAITS. */
  choose(
    snapshot: Snapshot,
    hash: number,
    tried: readonly number[],
    inFlight: number,
    nowMs: number,
    mayWait: boolean,
  ): number {
    const owner = snapshot.table.choices[rowOf(snapshot.table, hash) * CHOICES]!;
    const isAway = this.#silenceMs > 0 && isAwayFor(snapshot, owner, hash);
    const keepMs = Math.max(this.#stickyMs, isAway ? this.#silenceMs : 0);
    if (keepMs > 0 && tried.length === 0) {
      const standIn = this.#recall(hash, nowMs - keepMs);
      if (standIn !== owner && standIn !== NO_SLOT && this.#hasRoom(snapshot, standIn, inFlight)) {
        this.#remember(hash, standIn, nowMs);
        return standIn;
      }
    }
    const slotId = pick(snapshot, hash, tried, this.#factor, inFlight);
    if (slotId === owner || slotId === NO_SLOT) return slotId;
    const isFull = this.#factor > 0 && slotId !== pick(snapshot, hash, tried, 0, 0);
    if (isFull && mayWait && this.#waitMs > 0) return WAITS;
    if (isFull) this.#counts.lent++;
    if (keepMs > 0) this.#remember(hash, slotId, nowMs);
    return slotId;
  }

  /** What nobody may ask for any more is given back. */
  sweep(nowMs: number): void {
    if (this.#hashes === null || nowMs - this.#lastMs <= Math.max(this.#stickyMs, this.#silenceMs)) return;
    this.#hashes = null;
    this.#standIns = new Uint16Array(0);
    this.#seenMs = new Float64Array(0);
  }

  #hasRoom(snapshot: Snapshot, slotId: number, inFlight: number): boolean {
    const load = this.#factor === 0 ? Number.POSITIVE_INFINITY : this.#factor * (inFlight + 1);
    return isOpen(snapshot, slotId, NONE_TRIED, load);
  }

  #recall(hash: number, sinceMs: number): number {
    if (this.#hashes === null) return NO_SLOT;
    const place = placeIn(hash);
    return this.#hashes[place] === (hash | 0) && this.#seenMs[place]! >= sinceMs
      ? this.#standIns[place]!
      : NO_SLOT;
  }

  #remember(hash: number, slotId: number, nowMs: number): void {
    if (this.#hashes === null) {
      this.#hashes = new Int32Array(PLACES);
      this.#standIns = new Uint16Array(PLACES);
      this.#seenMs = new Float64Array(PLACES).fill(Number.NEGATIVE_INFINITY);
    }
    const place = placeIn(hash);
    this.#hashes[place] = hash;
    this.#standIns[place] = slotId;
    this.#seenMs[place] = nowMs;
    this.#lastMs = nowMs;
  }
}

/** The key's own slot is out, or back and not yet for keys that were lent. */
function isAwayFor({ usable, slowStart }: Snapshot, owner: number, hash: number): boolean {
  if (!(owner < usable.length && usable[owner] === 1)) return true;
  return slowStart !== null && placeOf(hash) >= slowStart.lentMarks[owner]!;
}

const placeIn = (hash: number): number => placeOf(hash) >>> 16;
