// Space-Saving as in the paper, to measure torc's sets against: one pool of entries, found by a map of hashes, the least of
// all counts on top of a binary heap. Weights grow with time as torc's do, so a plain list of equal counts (the paper's
// Stream-Summary) does not serve.

const HALF_LIFE_MS = 30_000;

export class HeapSaving {
  readonly #bornMs: number;
  readonly #hashes: Int32Array;
  readonly #counts: Float64Array;
  readonly #inherited: Float64Array;
  readonly #texts: string[];
  /** Entries by count, the least first; and where each stands. */
  readonly #heap: Int32Array;
  readonly #places: Int32Array;
  readonly #entries = new Map<number, number>();
  #weight = 1;
  sum = 0;

  constructor(nowMs: number, size: number) {
    this.#bornMs = nowMs;
    this.#hashes = new Int32Array(size);
    this.#counts = new Float64Array(size);
    this.#inherited = new Float64Array(size);
    this.#texts = new Array<string>(size).fill('');
    this.#heap = Int32Array.from({ length: size }, (_, entry) => entry);
    this.#places = this.#heap.slice();
  }

  count(hash: number, text: string, start: number, end: number): void {
    this.sum += this.#weight;
    let entry = this.#entries.get(hash);
    if (entry === undefined) {
      entry = this.#heap[0]!;
      if (this.#counts[entry]! > 0) this.#entries.delete(this.#hashes[entry]!);
      this.#entries.set(hash, entry);
      this.#hashes[entry] = hash;
      this.#inherited[entry] = this.#counts[entry]!;
      this.#texts[entry] = text.slice(start, end);
    }
    this.#counts[entry]! += this.#weight;
    this.#sink(this.#places[entry]!);
  }

  tick(nowMs: number): void {
    this.#weight = 2 ** ((nowMs - this.#bornMs) / HALF_LIFE_MS);
  }

  shares(): Map<string, number> {
    return new Map(
      this.#texts.map((text, entry) => [text, (this.#counts[entry]! - this.#inherited[entry]!) / this.sum]),
    );
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const entry = heap[from]!;
    const count = this.#counts[entry]!;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#counts[heap[child + 1]!]! < this.#counts[heap[child]!]!) child++;
      if (this.#counts[heap[child]!]! >= count) break;
      heap[place] = heap[child]!;
      this.#places[heap[place]!] = place;
      place = child;
    }
    heap[place] = entry;
    this.#places[entry] = place;
  }
}
