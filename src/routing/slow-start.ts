// Slow start: a slot that has a new replica, or is back, takes its keys little by little over a time, and the key decides when
// it is its turn. Each key has a place between 0 and 2^32, and is its slot's once the slot's mark, which rises with time, is
// above that place: so each moves once, all workers agree, and what was hot in no cache comes as a slope and not as a wall.
// Not by chance per request, as a weight that grows would have it: a key would go to and fro all the while.
//
// There is one of these in a snapshot only while a slot warms up; without, nothing is asked per request. The marks are the one
// thing of a snapshot that moves, as loads do: the sweep raises them.

import type { UpstreamSpec } from '../core/types.ts';

const EVERYTHING = 2 ** 32;
/** Odd (2^32 / golden ratio, Knuth 6.4): the place depends on all bits of the hash, the row of a table on its low ones alone. */
const PLACE_STEP = 0x9e3779b1;
/** Of its time, after which a lent key goes home although it never fell silent: the rest of it spreads those out. */
const LENT_UNTIL = 0.5;

/** Where a key stands among those of its slot. */
export const placeOf = (hash: number): number => Math.imul(hash, PLACE_STEP) >>> 0;

interface WarmingSlot {
  readonly slotId: number;
  readonly fromMs: number;
  readonly forMs: number;
  readonly marks: Float64Array;
  /** Share of its time before its mark begins to rise. */
  readonly after: number;
}

export class SlowStart {
  /** By slot id: keys whose place is below are the slot's. */
  readonly marks: Float64Array;
  /** The same for keys that were lent while it was out, and only for those. */
  readonly lentMarks: Float64Array;
  readonly #warming: readonly WarmingSlot[];

  constructor(upstreams: readonly UpstreamSpec[], wallMs: number, nowMs: number) {
    const size = Math.max(0, ...upstreams.map(({ slotId }) => slotId + 1));
    this.marks = new Float64Array(size).fill(EVERYTHING);
    this.lentMarks = new Float64Array(size).fill(EVERYTHING);
    this.#warming = upstreams.flatMap(({ slotId, warmUp }) => {
      if (warmUp === undefined || warmUp.untilMs <= wallMs) return [];
      const isLentOnly = warmUp.keys === 'lent';
      // A wall clock may be set back.
      const fromMs = nowMs - Math.max(0, wallMs - warmUp.fromMs);
      return {
        slotId,
        fromMs,
        forMs: warmUp.untilMs - warmUp.fromMs,
        marks: isLentOnly ? this.lentMarks : this.marks,
        after: isLentOnly ? LENT_UNTIL : 0,
      };
    });
    this.advance(nowMs);
  }

  /** False where all is over. */
  advance(nowMs: number): boolean {
    let isWarming = false;
    for (const { slotId, fromMs, forMs, marks, after } of this.#warming) {
      const passed = (nowMs - fromMs) / forMs;
      isWarming ||= passed < 1;
      marks[slotId] = EVERYTHING * Math.min(1, Math.max(0, (passed - after) / (1 - after)));
    }
    return isWarming;
  }
}

/** The slow start of these; null where none warms up. */
export function slowStartOf(
  upstreams: readonly UpstreamSpec[],
  wallMs: number,
  nowMs: number,
): SlowStart | null {
  if (upstreams.every(({ warmUp }) => warmUp === undefined || warmUp.untilMs <= wallMs)) return null;
  return new SlowStart(upstreams, wallMs, nowMs);
}
