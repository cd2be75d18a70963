// Load at a fixed rate, whatever the target does: request i is due at start + i / rate, and its latency is counted from
// then, not from when it could be sent. A target that stalls thus answers for all requests that were due meanwhile, as to
// real clients, who do not agree to wait (coordinated omission: G. Tene, "How NOT to Measure Latency", 2013). This is the
// one correction; the histogram makes none (no expected interval), else the same wait would count twice.
//
// What is not answered DRAIN_MS after the last one was due counts as unanswered and with its wait so far: a rate above
// what the target can do shows as such, and the run ends.

import { type LoadResult, type OpenJob, requestText } from './job.ts';
import { Latencies } from './latencies.ts';
import { Line } from './line.ts';

const DRAIN_MS = 2000;
const SPIN_MS = 3;

export async function openLoop(job: OpenJob): Promise<LoadResult> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const loop = new OpenLoop(job, resolve);
  loop.start();
  await promise;
  return loop.result();
}

class OpenLoop {
  readonly #total: number;
  readonly #intervalMs: number;
  readonly #finished: () => void;
  readonly #lines: Line[];
  /** First come, first served: all connections take part at any rate. */
  readonly #idle: Line[] = [];
  /** Busy line -> which request it has; -1 is the one that opens it. */
  readonly #carries = new Map<Line, number>();
  readonly #latencies = new Latencies();
  readonly #lateness = new Latencies();
  #startMs = 0;
  #next = 0;
  #answered = 0;
  #errors = 0;
  /** Connections that broke without an answer, and what is not there when all is over. */
  #lost = 0;
  #running = false;

  constructor({ urls, connections, seconds, perSecond }: OpenJob, finished: () => void) {
    this.#total = Math.floor(seconds * perSecond);
    this.#intervalMs = 1000 / perSecond;
    this.#finished = finished;
    this.#lines = Array.from(
      { length: connections },
      (_, i) => new Line(urls[i % urls.length]!, (line, status) => this.#ended(line, status)),
    );
  }

  /** Each connection has one answer before the clock starts: opening them is not what is measured. */
  start(): void {
    this.#lines.forEach((line, i) => {
      this.#carries.set(line, -1);
      line.ask(requestText(i));
    });
    this.#startMs = performance.now();
    this.#tick();
  }

  #dueMs(index: number): number {
    return this.#startMs + index * this.#intervalMs;
  }

  readonly #tick = (): void => {
    const nowMs = performance.now();
    if (!this.#running) this.#begin(nowMs);
    else this.#sendDue(nowMs, true);
    if (this.#running && this.#isOver(nowMs)) this.#finish(nowMs);
    else if (this.#running && this.#isNextSoon(nowMs)) setImmediate(this.#tick);
    else setTimeout(this.#tick, 1);
  };

  #isOver(nowMs: number): boolean {
    if (this.#next === this.#total && this.#carries.size === 0) return true;
    return nowMs > this.#dueMs(this.#total) + DRAIN_MS;
  }

  /** Timers have milliseconds, too coarse for what is measured: before a request is due the loop turns without a pause. */
  #isNextSoon(nowMs: number): boolean {
    return this.#idle.length > 0 && this.#next < this.#total && this.#dueMs(this.#next) - nowMs < SPIN_MS;
  }

  #begin(nowMs: number): void {
    if (this.#carries.size > 0 && nowMs < this.#startMs + DRAIN_MS) return;
    this.#running = true;
    this.#startMs = nowMs;
  }

  /** `mine`: a line stood idle, so that what is overdue now is late by the generator's fault. */
  #sendDue(nowMs: number, mine: boolean): void {
    while (this.#next < this.#total && this.#idle.length > 0 && this.#dueMs(this.#next) <= nowMs) {
      const line = this.#idle.shift()!;
      if (mine) this.#lateness.record((nowMs - this.#dueMs(this.#next)) * 1000);
      this.#carries.set(line, this.#next);
      line.ask(requestText(this.#next++));
    }
  }

  #ended(line: Line, status: number): void {
    const index = this.#carries.get(line);
    this.#carries.delete(line);
    this.#idle.push(line);
    const nowMs = performance.now();
    if (index !== undefined && index >= 0) {
      if (status === 200) {
        this.#answered++;
        this.#latencies.record((nowMs - this.#dueMs(index)) * 1000);
      } else if (status === 0) {
        this.#lost++;
      } else {
        this.#errors++;
      }
    }
    if (this.#running) this.#sendDue(nowMs, false);
  }

  #finish(nowMs: number): void {
    const waiting = [...this.#carries.values()].filter(index => index >= 0);
    while (this.#next < this.#total) waiting.push(this.#next++);
    for (const index of waiting) this.#latencies.record((nowMs - this.#dueMs(index)) * 1000);
    this.#lost += waiting.length;
    for (const line of this.#lines) line.close();
    this.#finished();
  }

  result(): LoadResult {
    return {
      requests: this.#answered,
      seconds: (this.#total * this.#intervalMs) / 1000,
      errors: this.#errors,
      unanswered: this.#lost,
      wrong: null,
      perReplica: [],
      latencies: this.#latencies.toText(),
      lateP99Us: this.#lateness.atPercentile(99),
    };
  }
}
