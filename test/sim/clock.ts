// A clock that stands still until it is moved. Timers run in order of their time, one at a time, so that the code
// under test can finish its promises in between; `stall` moves time without running any, as a blocked event loop does.

import type { Clock, Timer } from '../../src/core/clock.ts';

interface Entry {
  readonly atMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 0;
  /** A binary heap; timers of the same time run in order of arrival. */
  readonly #heap: { readonly entry: Entry; readonly seq: number }[] = [];
  readonly #cancelled = new Set<Entry>();
  #seq = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(ms: number, callback: () => void): Timer {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, ms), callback };
    this.#push({ entry, seq: this.#seq++ });
    return { cancel: () => this.#cancelled.add(entry) };
  }

  /** Time passes, nothing runs. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  /** Runs the next timer if it is due by `untilMs`; false when there is none, and time is `untilMs` then. */
  runNext(untilMs: number): boolean {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || top.entry.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#pop();
      if (this.#cancelled.delete(top.entry)) continue;
      this.#nowMs = Math.max(this.#nowMs, top.entry.atMs);
      top.entry.callback();
      return true;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a]!, this.#heap[b]!];
    return x.entry.atMs < y.entry.atMs || (x.entry.atMs === y.entry.atMs && x.seq < y.seq);
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }

  #push(item: { entry: Entry; seq: number }): void {
    this.#heap.push(item);
    for (let i = this.#heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#isBefore(i, parent)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #pop(): void {
    this.#swap(0, this.#heap.length - 1);
    this.#heap.pop();
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      let least = i;
      if (left < this.#heap.length && this.#isBefore(left, least)) least = left;
      if (left + 1 < this.#heap.length && this.#isBefore(left + 1, least)) least = left + 1;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }
}

/**
 * Lets everything that promises have made due run: a callback of the next tick that is asked for by a microtask comes after
 * all of those. An immediate would do the same, after a poll of the kernel: a third of the simulation's time.
 */
export async function flush(): Promise<void> {
  await null;
  await new Promise<void>(resolve => process.nextTick(resolve));
}

/** Moves the clock by `ms`, timer by timer. `afterEach` runs after each one's promises have settled. */
export async function advance(clock: FakeClock, ms: number, afterEach?: () => void): Promise<void> {
  const untilMs = clock.nowMs() + ms;
  await flush();
  while (clock.runNext(untilMs)) {
    await flush();
    afterEach?.();
  }
}
