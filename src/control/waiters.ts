// Calls that wait for a state of the fleet: looked at after every tick, given up after their time. One list of them, so
// that a stop ends all.

import type { Clock, Timer } from '../core/clock.ts';

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: (done: boolean) => void;
  readonly timer: Timer;
}

export class Waiters {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiter>();
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves true once `isDone` holds after a tick; false when the time is over or torc stops. */
  until(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isDone()) return Promise.resolve(true);
    if (this.#isOver) return Promise.resolve(false);
    return new Promise(resolve => {
      const timer = this.#clock.after(timeoutMs, () => this.#settle(waiter, false));
      const waiter: Waiter = { isDone, resolve, timer };
      this.#waiting.add(waiter);
    });
  }

  /** A tick has ended. */
  look(): void {
    for (const waiter of [...this.#waiting]) if (waiter.isDone()) this.#settle(waiter, true);
  }

  /** torc stops: nobody waits any more. */
  end(): void {
    this.#isOver = true;
    for (const waiter of [...this.#waiting]) this.#settle(waiter, false);
  }

  #settle(waiter: Waiter, isDone: boolean): void {
    this.#waiting.delete(waiter);
    waiter.timer.cancel();
    waiter.resolve(isDone);
  }
}
