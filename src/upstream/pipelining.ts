// When may requests share a connection to a replica? Requests that become ready in one turn of the event loop leave in one
// write and their answers come in one read, which saves two system calls of three for each but the first. The price is
// that an answer has to wait for those before it, so it is done only while the replica answers fast and evenly, and while
// so many requests are under way that they would wait for each other anyhow. Pure but for the clock it is given.
//
// Answers come in order (RFC 9112 section 9.3.2), which is all that matches them to their requests: whatever is doubtful
// ends the connection, and those behind are sent again. So only what may be sent again is ever pipelined.

import type { Clock, Timer } from '../core/clock.ts';

/** Requests behind the first of a connection, at most. */
export const MOST_BEHIND = 15;

/** Requests in flight at the replica, on average, below which each has a connection of its own. */
const BUSY = 4;
/** On average; a replica that takes longer is busy with each request, and may be with several at once. */
const FAST_MS = 10;
/** An answer is late after so many times the average, at least some milliseconds. */
const LATE_FACTOR = 4;
const LEAST_LATE_MS = 10;
/** Nothing is pipelined for so long after an answer that others overtook. */
const CALM_MS = 1_000;
/** The same after a connection that ended with requests waiting: the replica seems not to know what to do with them. */
const DISTRUST_MS = 10_000;
/** Of the averages: the last one counts for so much. */
const WEIGHT = 1 / 16;

export class Pipelining {
  readonly #clock: Clock;
  /** Averages of requests in flight, and of what an answer took. */
  #busy = 0;
  #tookMs = FAST_MS;
  /** The latest start of a request that was answered in this window, the last one, and all before. */
  #newStartMs = Number.NEGATIVE_INFINITY;
  #oldStartMs = Number.NEGATIVE_INFINITY;
  #olderStartMs = Number.NEGATIVE_INFINITY;
  #windowEndsMs = Number.NEGATIVE_INFINITY;
  #untilMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request is to be sent while `inFlight` are under way: may it share a connection? */
  mayShare(inFlight: number): boolean {
    this.#busy += (inFlight - this.#busy) * WEIGHT;
    return this.#timer === null && this.#busy >= BUSY && this.#tookMs <= FAST_MS;
  }

  /**
   * An answer was complete at `nowMs` after so long. Late ones that a younger request overtook by far mean that some take
   * longer than others; late ones that come in order mean that all had to wait, which pipelining does not make worse.
   */
  took(ms: number, nowMs: number): void {
    const startMs = nowMs - ms;
    if (nowMs >= this.#windowEndsMs) {
      this.#olderStartMs = Math.max(this.#olderStartMs, this.#oldStartMs);
      this.#oldStartMs = this.#newStartMs;
      this.#windowEndsMs = nowMs + LEAST_LATE_MS / 2;
    }
    if (ms > this.lateMs && this.#olderStartMs > startMs) this.overtaken();
    if (startMs > this.#newStartMs) this.#newStartMs = startMs;
    this.#tookMs += (ms - this.#tookMs) * WEIGHT;
  }

  /** How long the first answer of a connection may take before those behind it are moved. */
  get lateMs(): number {
    return Math.max(LEAST_LATE_MS, this.#tookMs * LATE_FACTOR);
  }

  /** A request waits, or waited, while younger ones are answered. */
  overtaken(): void {
    this.#stop(CALM_MS);
  }

  /** The replica closed a connection, or made one unusable, while requests waited on it. */
  distrust(): void {
    this.#stop(DISTRUST_MS);
  }

  #stop(ms: number): void {
    const nowMs = this.#clock.nowMs();
    this.#untilMs = Math.max(this.#untilMs, nowMs + ms);
    this.#timer ??= this.#clock.after(this.#untilMs - nowMs, () => this.#goOn());
  }

  #goOn(): void {
    this.#timer = null;
    const leftMs = this.#untilMs - this.#clock.nowMs();
    if (leftMs > 0) this.#timer = this.#clock.after(leftMs, () => this.#goOn());
  }
}
