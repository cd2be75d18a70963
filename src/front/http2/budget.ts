// What a client may have done to it that no request pays for: so many at once, and so many a second. Most floods of HTTP/2 cost
// their victim more than their sender and pile up nowhere, so nothing but counting shows them. Pure but for the time it is given.

export class Budget {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #atMs = 0;

  constructor(most: number, perSecond: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
  }

  /** False: it is used up. */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#most, this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    return --this.#left >= 0;
  }
}

/** Of one connection; written in docs/operations.md. */
export class Budgets {
  /** Streams that ended before their answer (CVE-2023-44487). */
  readonly resets = new Budget(200, 20);
  readonly pings = new Budget(200, 20);
  readonly settings = new Budget(50, 5);
  /** Streams that were refused or broke a rule, and frames of a body without any of it. */
  readonly faults = new Budget(100, 10);
  /** Frames without a meaning, or hardly any. */
  readonly idle = new Budget(10_000, 330);
}
