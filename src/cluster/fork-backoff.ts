// How long a worker's successor waits: not at all, so that nobody misses it, but longer each time while they die young, because
// what killed one then kills the next, and starting it costs those that serve.

/** A worker that lived less than this died young. */
const YOUNG_MS = 5_000;
const FIRST_MS = 100;
const LONGEST_MS = 5_000;

export class ForkBackoff {
  #inARow = 0;

  /** One has, after `livedMs`; the wait comes back. */
  died(livedMs: number): number {
    this.#inARow = livedMs < YOUNG_MS ? this.#inARow + 1 : 0;
    return this.#inARow === 0 ? 0 : Math.min(FIRST_MS * 2 ** (this.#inARow - 1), LONGEST_MS);
  }
}
