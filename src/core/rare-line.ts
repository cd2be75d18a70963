// A line that anybody could have the log repeat: the first is told at once, and after a while how many more there were. A
// line per event would be the flood's second half.

import type { Clock } from './clock.ts';

export class RareLine {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #tellMore: (count: number, seconds: number) => void;
  /** Since the last line; null while no line was written lately. */
  #untold: number | null = null;

  /** `tellMore`: how many were left out, within how many seconds. */
  constructor(clock: Clock, everyMs: number, tellMore: (count: number, seconds: number) => void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#tellMore = tellMore;
  }

  /** True where the event's own line is due; else it is counted. */
  isDue(): boolean {
    if (this.#untold !== null) {
      this.#untold++;
      return false;
    }
    this.#untold = 0;
    this.#clock.after(this.#everyMs, () => {
      const more = this.#untold ?? 0;
      this.#untold = null;
      if (more > 0) this.#tellMore(more, this.#everyMs / 1000);
    });
    return true;
  }
}
