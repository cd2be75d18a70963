// Rendezvous hashing (highest random weight: Thaler and Ravishankar, 1998), row by row, as GitHub's GLB director fills
// its 2^16 rows: every slot has a score in every row, and the row lists the three best. A slot that leaves takes only
// its own rows along, and each falls to whoever was next there, so a lost slot's keys spread over all the others and
// the least possible number of keys moves. Scoring per row, not per request, makes N slots cost nothing at lookup.
// The builder remembers its last table and scores: one slot more is one score a row, one slot less is a new choice in
// the rows that listed it (3 / N of them). Equal scores are in the order of names; two names with one 32-bit hash (one
// pair in four milliards) would tie in every row and leave the later name as the other's stand-in.
// Weights by the logarithmic method (Schindelhauer and Schomaker, 2005): -weight / ln(score) orders a row so that each slot
// has its share, and another weight moves keys only to or from its slot. Of equal weights the order is the scores' own,
// so the logarithms are taken only where weights differ.

import { avalanche, murmurHash } from './hash.ts';
import { byName, CHOICES, NONE, type RingSlot } from './table.ts';

interface Scored extends RingSlot {
  /** Hash of the name: what tells the slots apart in a row's scores. */
  readonly seed: number;
}

/** Multiples of this odd constant (2^32 / golden ratio, Knuth 6.4) spread the rows over all 32 bits before mixing. */
const ROW_STEP = 0x9e3779b1;

/** The score of a slot in a row, uint32. */
export function scoreOf(seed: number, row: number): number {
  return avalanche(seed ^ Math.imul(row + 1, ROW_STEP)) >>> 0;
}

export class RendezvousRows {
  readonly #choices: Uint16Array;
  /** Beside each choice its score; 0 beside NONE. */
  readonly #scores: Float64Array;
  #isWeighted = false;
  #slots: readonly Scored[] = [];
  /** By slot id: place in the order of names, which breaks ties of equal scores. */
  #rank: Uint16Array = new Uint16Array(0);

  constructor(rows: number) {
    this.#choices = new Uint16Array(rows * CHOICES).fill(NONE);
    this.#scores = new Float64Array(rows * CHOICES);
  }

  /** The choices of the table of these slots, a copy. */
  update(slots: readonly RingSlot[]): Uint16Array {
    this.#weigh(slots.some(({ weight = 1 }) => weight !== 1));
    const before = new Map(this.#slots.map(slot => [slot.name, slot]));
    const after = slots
      .map(slot => ({ ...slot, seed: murmurHash(slot.name, 0, slot.name.length) }))
      .sort(byName);
    const kept = after.filter(slot => {
      const known = before.get(slot.name);
      return known?.id === slot.id && weightOf(known) === weightOf(slot);
    });
    const keptIds = new Set(kept.map(slot => slot.id));
    const gone = this.#slots.filter(slot => !keptIds.has(slot.id));
    this.#slots = after;
    this.#rank = ranksOf(after);
    if (gone.length > 0) this.#leave(gone, kept);
    for (const slot of after) if (!keptIds.has(slot.id)) this.#join(slot);
    return this.#choices.slice();
  }

  /** All is scored anew where weights begin to differ, or no longer do. */
  #weigh(isWeighted: boolean): void {
    if (isWeighted === this.#isWeighted) return;
    this.#isWeighted = isWeighted;
    this.#choices.fill(NONE);
    this.#scores.fill(0);
    this.#slots = [];
  }

  #score(slot: Scored, row: number): number {
    const score = scoreOf(slot.seed, row);
    return this.#isWeighted ? -weightOf(slot) / Math.log((score + 0.5) / 2 ** 32) : score;
  }

  #join(slot: Scored): void {
    const rows = this.#choices.length / CHOICES;
    const scores = this.#scores;
    for (let row = 0; row < rows; row++) {
      const score = this.#score(slot, row);
      // Nearly all rows end here: 1000 slots x 65,536 rows are 65 million scores.
      if (score >= scores[row * CHOICES + CHOICES - 1]!) this.#offer(row, slot.id, score);
    }
  }

  #leave(gone: readonly Scored[], kept: readonly Scored[]): void {
    const isGone = new Uint8Array(NONE + 1);
    for (const slot of gone) isGone[slot.id] = 1;
    const rows = this.#choices.length / CHOICES;
    for (let row = 0; row < rows; row++) {
      const first = row * CHOICES;
      if (!this.#lists(first, isGone)) continue;
      // One by one: `fill` costs more than the three cells.
      for (let index = first; index < first + CHOICES; index++) {
        this.#choices[index] = NONE;
        this.#scores[index] = 0;
      }
      for (let index = 0; index < kept.length; index++) {
        this.#offer(row, kept[index]!.id, this.#score(kept[index]!, row));
      }
    }
  }

  #lists(first: number, isWanted: Uint8Array): boolean {
    for (let index = first; index < first + CHOICES; index++)
      if (isWanted[this.#choices[index]!] === 1) return true;
    return false;
  }

  /** Puts a slot where its score belongs among the row's choices, if at all. */
  #offer(row: number, id: number, score: number): void {
    const first = row * CHOICES;
    let place = first + CHOICES;
    while (place > first && this.#beats(id, score, place - 1)) place--;
    if (place === first + CHOICES) return;
    for (let index = first + CHOICES - 1; index > place; index--) {
      this.#choices[index] = this.#choices[index - 1]!;
      this.#scores[index] = this.#scores[index - 1]!;
    }
    this.#choices[place] = id;
    this.#scores[place] = score;
  }

  #beats(id: number, score: number, index: number): boolean {
    const other = this.#choices[index]!;
    if (other === NONE || score > this.#scores[index]!) return true;
    return score === this.#scores[index]! && this.#rank[id]! < this.#rank[other]!;
  }
}

const weightOf = ({ weight = 1 }: RingSlot): number => weight;

function ranksOf(sorted: readonly RingSlot[]): Uint16Array {
  const ranks = new Uint16Array(sorted.reduce((most, slot) => Math.max(most, slot.id + 1), 0));
  sorted.forEach((slot, rank) => {
    ranks[slot.id] = rank;
  });
  return ranks;
}
