// A bound on how much is under way at once: who comes beyond it waits for its turn, in order. Whoever takes a turn gives it
// back, also when its work fails. Callers bound how many may wait.

export class Turns {
  readonly #atOnce: number;
  #count = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  async take(): Promise<void> {
    if (this.#count >= this.#atOnce) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#count++;
  }

  /** It goes to the next that waits, if any. */
  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#count--;
    else next();
  }
}
