// Autoscaling, off unless TORC_MAX is set: keeps the requests in flight per replica near a target. The rule is that of
// Kubernetes' Horizontal Pod Autoscaler (its documentation, "Algorithm details"): desired = ceil(current x metric /
// target), nothing within 10 % of the target, up by at most double or 4 in one period, down only to the highest wish of
// a stabilisation window, so that a pause between two bursts costs no replica. The metric is a mean of samples over the
// period, because requests in flight at one moment say little. Adding and removing go through the same calls as /add and
// /rm: a replica joins when it is proven and leaves when it is drained.

import type { Clock, Timer } from '../core/clock.ts';
import type { MembershipChange, Outcome } from './membership.ts';

/** Within this share of the target nothing is done (HPA's --horizontal-pod-autoscaler-tolerance). */
const TOLERANCE = 0.1;
const SAMPLES_PER_PERIOD = 15;

export interface ScaleBounds {
  readonly least: number;
  readonly most: number;
  /** Requests in flight per replica. */
  readonly target: number;
}

/** How many replicas there should be, going by this period alone. */
export function desiredCount(
  current: number,
  inFlight: number,
  { least, most, target }: ScaleBounds,
): number {
  const ratio = inFlight / (current * target);
  const wanted = Math.abs(ratio - 1) <= TOLERANCE ? current : Math.ceil(inFlight / target);
  const reachable = Math.min(wanted, Math.max(current * 2, current + 4));
  return Math.min(most, Math.max(least, reachable));
}

export interface Wish {
  readonly atMs: number;
  readonly count: number;
}

/** `wishes`: those of the window, this period's too. Up at once; down only as far as none of them forbids it. */
export function stabilised(current: number, wishes: readonly Wish[]): number {
  const latest = wishes.at(-1)?.count ?? current;
  if (latest >= current) return latest;
  return Math.min(current, Math.max(...wishes.map(wish => wish.count)));
}

/** Where the figures come from. */
export interface Load {
  /** Requests in flight over all workers now. */
  inFlight(): Promise<number>;
}

/** What scaling does; the supervisor fits. */
export interface Scalable {
  names(): string[];
  add(change: MembershipChange): Promise<Outcome>;
  remove(change: MembershipChange): Promise<Outcome>;
  announce(topic: 'scale', text: string): void;
}

export interface AutoscalerOptions {
  readonly scalable: Scalable;
  readonly load: Load;
  readonly clock: Clock;
  readonly bounds: ScaleBounds;
  readonly periodMs: number;
  readonly downWindowMs: number;
}

export class Autoscaler {
  readonly #options: AutoscalerOptions;
  #wishes: Wish[];
  #timer: Timer | null = null;
  #isClosed = false;

  /** As with HPA, what is there at the start counts as a wish: nothing goes before a whole window was seen. */
  constructor(options: AutoscalerOptions) {
    this.#options = options;
    this.#wishes = [{ atMs: options.clock.nowMs(), count: options.scalable.names().length }];
  }

  /** Runs until `close`: samples, decides, waits for what it asked for, and again. */
  async run(): Promise<void> {
    while (!this.#isClosed) {
      const inFlight = await this.#meanInFlight();
      if (!this.#isClosed) await this.#decide(inFlight);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #meanInFlight(): Promise<number> {
    const { load, clock, periodMs } = this.#options;
    let sum = 0;
    for (let i = 0; i < SAMPLES_PER_PERIOD; i++) {
      await new Promise<void>(resolve => {
        this.#timer = clock.after(periodMs / SAMPLES_PER_PERIOD, resolve);
      });
      sum += await load.inFlight();
    }
    return sum / SAMPLES_PER_PERIOD;
  }

  async #decide(inFlight: number): Promise<void> {
    const { scalable, clock, bounds, downWindowMs } = this.#options;
    const current = scalable.names().length;
    const atMs = clock.nowMs();
    const count = desiredCount(Math.max(1, current), inFlight, bounds);
    this.#wishes = [...this.#wishes.filter(wish => atMs - wish.atMs < downWindowMs), { atMs, count }];
    const wanted = Math.min(bounds.most, stabilised(current, this.#wishes));
    if (wanted === current) return;
    const load = `${inFlight.toFixed(1)} requests in flight, ${bounds.target} per replica wanted`;
    scalable.announce('scale', `from ${current} to ${wanted} replicas: ${load}`);
    const change: MembershipChange = { count: Math.abs(wanted - current), names: [] };
    const outcome = await (wanted > current ? scalable.add(change) : scalable.remove(change));
    if (!outcome.ok) scalable.announce('scale', `it stays at ${current} replicas: ${outcome.message}`);
  }
}
