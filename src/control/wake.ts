// The supervisor's one alarm: something is due at a time although nothing happened. Set anew at each tick, because each
// tick may have changed what is due next.

import type { Clock, Timer } from '../core/clock.ts';

export class Wake {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: Timer | null = null;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Instead of what was set before; infinity: nothing is due. */
  at(dueMs: number): void {
    this.cancel();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), this.#onDue);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
