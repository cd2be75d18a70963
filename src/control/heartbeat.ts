// Liveness over time: asks each replica at its interval (what the answers mean is vitality.ts). A replica is never asked twice
// at once, the first questions are spread over the interval, and a replica that starts is asked every 25 ms until it
// answers. Own health first (memberlist's awareness.go): while a question is out, a short tick measures how late our own
// event loop is; a miss that this lateness may have made is void, and the next question gets a longer deadline. The
// measure looks at the tick that is overdue now too, because after a stall the probe's own timer may be the first to run.

import type { Clock, Timer } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { Probe, ProbeResult } from './driver.ts';

const FIRST_ANSWER_EVERY_MS = 25;
const LAG_TICK_MS = 25;
/** A lag above this share of the deadline makes a miss void. */
const LAG_SHARE = 1 / 4;
/** Deadlines grow up to this factor while misses are void. */
const STRETCH_MAX = 8;

export interface HeartbeatOptions {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly random: Random;
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** One trustworthy result. */
  readonly onBeat: (replicaId: string, result: ProbeResult) => void;
  /** A miss that may have been our own lag's. */
  readonly onVoid: (replicaId: string) => void;
}

interface Watch {
  readonly replicaId: string;
  readonly host: string;
  readonly port: number;
  pace: 'first-answer' | 'steady';
  asking: boolean;
  /** Asked to confirm while a question was out: an answer to that one may be older than the doubt. */
  confirm: boolean;
  stretch: number;
  timer: Timer | null;
}

export class Heartbeats {
  readonly #options: HeartbeatOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #lag: LagMeter;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lag = new LagMeter(options.clock);
  }

  /** Asks at once, then fast until `steady`. */
  watch(replicaId: string, host: string, port: number): void {
    const watch: Watch = {
      replicaId,
      host,
      port,
      pace: 'first-answer',
      asking: false,
      confirm: false,
      stretch: 1,
      timer: null,
    };
    this.#watches.set(replicaId, watch);
    this.#after(watch, 0);
  }

  /** It has answered: from now on at the interval, from a random point of it. */
  steady(replicaId: string): void {
    const watch = this.#watches.get(replicaId);
    if (watch === undefined) return;
    watch.pace = 'steady';
    if (!watch.asking) this.#after(watch, this.#options.random() * this.#options.intervalMs);
  }

  /** Asks now; the next result is one of a question asked after this call. */
  confirm(replicaId: string): void {
    const watch = this.#watches.get(replicaId);
    if (watch === undefined) return;
    if (watch.asking) watch.confirm = true;
    else this.#after(watch, 0);
  }

  unwatch(replicaId: string): void {
    this.#watches.get(replicaId)?.timer?.cancel();
    this.#watches.delete(replicaId);
  }

  close(): void {
    for (const replicaId of [...this.#watches.keys()]) this.unwatch(replicaId);
  }

  #after(watch: Watch, ms: number): void {
    watch.timer?.cancel();
    watch.timer = this.#options.clock.after(ms, () => this.#ask(watch));
  }

  #ask(watch: Watch): void {
    const { clock, path, timeoutMs } = this.#options;
    watch.timer = null;
    watch.asking = true;
    const startedMs = clock.nowMs();
    const deadlineMs = timeoutMs * watch.stretch;
    const gauge = this.#lag.begin();
    const done = (result: ProbeResult): void => {
      const lagMs = this.#lag.end(gauge);
      watch.asking = false;
      if (this.#watches.get(watch.replicaId) !== watch) return;
      this.#answered(watch, result, startedMs, !result.alive && lagMs > deadlineMs * LAG_SHARE);
    };
    this.#options
      .probe(watch.host, watch.port, path, deadlineMs)
      .then(done, error => done({ alive: false, got: 'nothing', detail: String(error) }));
  }

  #answered(watch: Watch, result: ProbeResult, startedMs: number, isVoid: boolean): void {
    if (isVoid) {
      watch.stretch = Math.min(STRETCH_MAX, watch.stretch * 2);
      this.#after(watch, FIRST_ANSWER_EVERY_MS);
      this.#options.onVoid(watch.replicaId);
      return;
    }
    watch.stretch = 1;
    const isOlderThanDoubt = watch.confirm && result.alive;
    watch.confirm = false;
    if (isOlderThanDoubt) {
      this.#after(watch, 0);
      return;
    }
    this.#after(watch, this.#pauseMs(watch, result.alive, startedMs));
    this.#options.onBeat(watch.replicaId, result);
  }

  /** After a miss twice as often (HAProxy's fastinter), but never before the deadline of the one before. */
  #pauseMs(watch: Watch, alive: boolean, startedMs: number): number {
    if (watch.pace === 'first-answer') return FIRST_ANSWER_EVERY_MS;
    const { clock, intervalMs, timeoutMs } = this.#options;
    const everyMs = alive ? intervalMs : Math.min(intervalMs, Math.max(timeoutMs, intervalMs / 2));
    return Math.max(0, startedMs + everyMs - clock.nowMs());
  }
}

interface Gauge {
  worstMs: number;
}

/** How late our own timers run while somebody waits for an answer. */
class LagMeter {
  readonly #clock: Clock;
  readonly #gauges = new Set<Gauge>();
  #tick: Timer | null = null;
  #dueMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): Gauge {
    const gauge = { worstMs: 0 };
    this.#gauges.add(gauge);
    if (this.#tick === null) this.#arm();
    return gauge;
  }

  /** The worst lateness since `begin`. */
  end(gauge: Gauge): number {
    this.#note();
    this.#gauges.delete(gauge);
    if (this.#gauges.size === 0) {
      this.#tick?.cancel();
      this.#tick = null;
    }
    return gauge.worstMs;
  }

  #arm(): void {
    this.#dueMs = this.#clock.nowMs() + LAG_TICK_MS;
    this.#tick = this.#clock.after(LAG_TICK_MS, () => {
      this.#note();
      this.#arm();
    });
  }

  #note(): void {
    const lateMs = this.#clock.nowMs() - this.#dueMs;
    for (const gauge of this.#gauges) gauge.worstMs = Math.max(gauge.worstMs, lateMs);
  }
}
