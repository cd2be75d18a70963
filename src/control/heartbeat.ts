// Liveness over time: asks each replica at its interval (what the answers mean is vitality.ts). A replica is never asked twice
// at once, the first questions are spread over the interval, and a replica that starts is asked every 25 ms at first and
// then ever more rarely: an eighth of the time it has taken so far, so that what is late by that is late by no more than it
// was anyway. Where several questions may be the right one, the first that is answered well is each replica's own from then on
// (questions.ts); the others are asked once more when it says "no such thing", and those before it some times later, because
// a program that is still starting may not know its own pages yet.
//
// Own health first (memberlist's awareness.go): while a question is out, a short tick measures how late our own
// event loop is; a miss that this lateness may have made is void, and the next question gets a longer deadline. The
// measure looks at the tick that is overdue now too, because after a stall the probe's own timer may be the first to run.

import type { Clock, Timer } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { ProbeResult, Question, Replica } from './driver.ts';
import { isNotThere } from './questions.ts';

const FIRST_ANSWER_EVERY_MS = 25;
const FIRST_ANSWER_SELDOM_MS = 1_000;
const FIRST_ANSWER_SHARE = 1 / 8;
/** After its first answer: when the questions before the one that it answers are tried again. */
const SECOND_LOOKS_MS = [5_000, 60_000];
const LAG_TICK_MS = 25;
/** A lag above this share of the deadline makes a miss void. */
const LAG_SHARE = 1 / 4;
/** Deadlines grow up to this factor while misses are void. */
const STRETCH_MAX = 8;

/** A question and what came of it. */
export interface Asked {
  readonly question: Question;
  readonly result: ProbeResult;
}

export interface Pace {
  /** In the order in which they are tried. */
  readonly questions: readonly Question[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface HeartbeatOptions extends Pace {
  /** null: it could not be asked, which says nothing of the replica. */
  readonly ask: (
    replica: Replica,
    question: Question,
    timeoutMs: number,
    isRoutine: boolean,
  ) => Promise<ProbeResult | null>;
  readonly clock: Clock;
  readonly random: Random;
  /** One trustworthy result: the last of what was asked, and what led to it. */
  readonly onBeat: (replicaId: string, asked: readonly Asked[]) => void;
  /** A miss that may have been our own lag's. */
  readonly onVoid: (replicaId: string) => void;
}

interface Watch {
  readonly replica: Replica;
  readonly sinceMs: number;
  pace: 'first-answer' | 'steady';
  /** The question that it answers; -1 while that is not known. */
  at: number;
  /** When those before it are tried again; the rest of SECOND_LOOKS_MS. */
  lookAgainMs: number[];
  asking: boolean;
  /** Asked to confirm while a question was out: an answer to that one may be older than the doubt. */
  confirm: boolean;
  /** It answered the last question well, and nobody has doubted it since. */
  isCalm: boolean;
  stretch: number;
  timer: Timer | null;
}

export class Heartbeats {
  #options: HeartbeatOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #lag: LagMeter;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lag = new LagMeter(options.clock);
  }

  /** A question that is out ends by the pace that it began with. Which of other questions is right is not known yet. */
  configure(pace: Pace): void {
    const isOther = pace.questions !== this.#options.questions;
    this.#options = { ...this.#options, ...pace };
    for (const watch of this.#watches.values()) {
      if (isOther) watch.at = -1;
      if (!watch.asking && watch.pace === 'steady')
        this.#after(watch, this.#options.random() * pace.intervalMs);
    }
  }

  /** Asks at once, then fast until `steady`. */
  watch(replica: Replica): void {
    const watch: Watch = {
      replica,
      sinceMs: this.#options.clock.nowMs(),
      pace: 'first-answer',
      at: -1,
      lookAgainMs: [],
      asking: false,
      confirm: false,
      isCalm: false,
      stretch: 1,
      timer: null,
    };
    this.#watches.set(replica.id, watch);
    this.#after(watch, 0);
  }

  /** It has answered: from now on at the interval, from a random point of it. */
  steady(replicaId: string): void {
    const watch = this.#watches.get(replicaId);
    if (watch === undefined) return;
    if (watch.pace !== 'steady')
      watch.lookAgainMs = SECOND_LOOKS_MS.map(ms => this.#options.clock.nowMs() + ms);
    watch.pace = 'steady';
    if (!watch.asking) this.#after(watch, this.#options.random() * this.#options.intervalMs);
  }

  /** Asks now; the next result is one of a question asked after this call. */
  confirm(replicaId: string): void {
    const watch = this.#watches.get(replicaId);
    if (watch === undefined) return;
    watch.isCalm = false;
    if (watch.asking) watch.confirm = true;
    else this.#after(watch, 0);
  }

  /** Asks now, where no question is out: the next one would come later. */
  askSoon(replicaId: string): void {
    const watch = this.#watches.get(replicaId);
    if (watch !== undefined && !watch.asking) this.#after(watch, 0);
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
    watch.timer = this.#options.clock.after(ms, () => void this.#ask(watch));
  }

  async #ask(watch: Watch): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    watch.timer = null;
    watch.asking = true;
    const startedMs = clock.nowMs();
    const deadlineMs = timeoutMs * watch.stretch;
    const isRoutine = watch.isCalm && watch.pace === 'steady';
    watch.isCalm = true;
    const gauge = this.#lag.begin();
    const asked = await this.#askInTurn(watch, deadlineMs, isRoutine);
    const lagMs = this.#lag.end(gauge);
    watch.asking = false;
    if (this.#watches.get(watch.replica.id) !== watch) return;
    const result = asked?.at(-1)?.result;
    const isAlive = result?.alive === true;
    if (!isAlive) watch.isCalm = false;
    // Our lateness makes silence, not refusals: with many slots there is always some, and their ends would never count.
    const isOurs = result?.got === 'nothing' && lagMs > deadlineMs * LAG_SHARE;
    if (asked === null || isOurs) this.#void(watch, asked === null);
    else this.#answered(watch, asked, isAlive, startedMs);
  }

  /** One question where it is known which; until one is answered well where it is not. null: it could not be asked. */
  async #askInTurn(watch: Watch, deadlineMs: number, isRoutine: boolean): Promise<Asked[] | null> {
    const { ask, questions } = this.#options;
    const asked: Asked[] = [];
    for (const at of this.#turn(watch)) {
      const question = questions[at]!;
      const result = await ask(watch.replica, question, deadlineMs, isRoutine).catch(
        (error): ProbeResult => ({ alive: false, got: 'nothing', status: 0, detail: String(error) }),
      );
      if (result === null) return null;
      asked.push({ question, result });
      if (result.alive && questions === this.#options.questions) watch.at = at;
      if (result.alive || !isNotThere(result)) break;
    }
    return asked;
  }

  #turn(watch: Watch): number[] {
    const all = [...this.#options.questions.keys()];
    if (watch.at <= 0) return all;
    const isTime = (watch.lookAgainMs[0] ?? Number.POSITIVE_INFINITY) <= this.#options.clock.nowMs();
    if (!isTime) return [watch.at, ...all.filter(at => at !== watch.at)];
    watch.lookAgainMs.shift();
    return all;
  }

  #void(watch: Watch, isUnasked: boolean): void {
    if (!isUnasked) watch.stretch = Math.min(STRETCH_MAX, watch.stretch * 2);
    this.#after(watch, isUnasked ? this.#options.intervalMs : FIRST_ANSWER_EVERY_MS);
    this.#options.onVoid(watch.replica.id);
  }

  #answered(watch: Watch, asked: readonly Asked[], isAlive: boolean, startedMs: number): void {
    watch.stretch = 1;
    const isOlderThanDoubt = watch.confirm && isAlive;
    watch.confirm = false;
    if (isOlderThanDoubt) {
      this.#after(watch, 0);
      return;
    }
    this.#after(watch, this.#pauseMs(watch, isAlive, startedMs));
    this.#options.onBeat(watch.replica.id, asked);
  }

  /** After a miss twice as often (HAProxy's fastinter), but never before the deadline of the one before. */
  #pauseMs(watch: Watch, alive: boolean, startedMs: number): number {
    const { clock, intervalMs, timeoutMs } = this.#options;
    const nowMs = clock.nowMs();
    if (watch.pace === 'first-answer') {
      if (alive) return FIRST_ANSWER_EVERY_MS;
      const shareMs = (nowMs - watch.sinceMs) * FIRST_ANSWER_SHARE;
      return Math.min(FIRST_ANSWER_SELDOM_MS, Math.max(FIRST_ANSWER_EVERY_MS, shareMs));
    }
    const everyMs = alive ? intervalMs : Math.min(intervalMs, Math.max(timeoutMs, intervalMs / 2));
    return Math.max(0, startedMs + everyMs - nowMs);
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
