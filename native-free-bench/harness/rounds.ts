// What all scenarios with load share: replicas, targets and the load generator are started and pinned, each target is
// verified and warmed up, rounds of the targets take turns (the machine's moods hit all alike), and all is stopped.
// The balancer has core 0, load generator and replicas have core 1.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cpuUs, median, pin } from './cpu.ts';
import { type CountedLoad, h2load } from './h2load.ts';
import type { ClosedJob, Job, LoadResult } from './job.ts';
import { Latencies, type Percentiles } from './latencies.ts';
import { Loader } from './loader.ts';
import { type Target, type TargetKind, verify } from './targets.ts';

const BALANCER_CORE = 0;
const LOAD_CORE = 1;
export const SMALL_BYTES = 56;

export interface BenchOptions {
  readonly full: boolean;
  /** Names of targets; none: all. */
  readonly only: readonly string[];
  /** Where the chart goes; null draws none. */
  readonly chartPath: string | null;
  readonly progress: (text: string) => void;
  /** Of a soak; null: as `full` says. */
  readonly minutes: number | null;
  /** Of the torc that is soaked: process, or docker. */
  readonly driver: string;
  /** Of what is drawn by lot. */
  readonly seed: number;
}

export interface Sample extends LoadResult {
  /** Of the balancer's processes; infinite when nothing was answered. */
  readonly cpuUsPerRequest: number;
}

/** The replicas: one process, a port for each. */
export class Origin {
  readonly ports: readonly number[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ports: readonly number[]) {
    this.#child = child;
    this.ports = ports;
  }

  static async start(count = 3): Promise<Origin> {
    const child = fork(join(import.meta.dirname, 'origin.ts'), [String(SMALL_BYTES), String(count)], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
    return new Origin(child, JSON.parse(line) as number[]);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async setBodyBytes(bytes: number): Promise<void> {
    const done = once(this.#child, 'message');
    this.#child.send(bytes);
    await done;
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

export class Bench {
  readonly targets: readonly Target[];
  readonly origin: Origin;
  readonly #loader: Loader;

  constructor(origin: Origin, loader: Loader, targets: readonly Target[]) {
    this.origin = origin;
    this.#loader = loader;
    this.targets = targets;
  }

  closed(target: Target, seconds: number, more: Partial<ClosedJob> = {}): Promise<Sample> {
    const { urls, closes: reconnects } = target;
    const job = { kind: 'closed', urls, connections: 64, seconds, method: 'GET', reconnects } as const;
    return this.#load(target, { ...job, ...more });
  }

  open(target: Target, seconds: number, perSecond: number, connections: number): Promise<Sample> {
    return this.#load(target, { kind: 'open', urls: target.urls, connections, seconds, perSecond });
  }

  /** A number of requests as fast as they are answered. */
  counted(target: Target, load: CountedLoad): Promise<Sample> {
    return this.#measured(target, () => h2load(target.urls[0]!, load, LOAD_CORE));
  }

  handshakes(target: Target, seconds: number, resumed: boolean): Promise<Sample> {
    return this.#load(target, { kind: 'handshakes', url: target.urls[0]!, seconds, resumed });
  }

  #load(target: Target, job: Job): Promise<Sample> {
    return this.#measured(target, () => this.#loader.run(job));
  }

  /** A round with errors is a result; an answer that no replica can have given is the end of the run. */
  async #measured(target: Target, load: () => Promise<LoadResult>): Promise<Sample> {
    const pids = target.pids();
    const before = cpuUs(pids);
    const result = await load();
    if (result.wrong !== null) throw new Error(`${target.name} answered: ${result.wrong}`);
    return { ...result, cpuUsPerRequest: (cpuUs(pids) - before) / result.requests };
  }
}

export interface Setup {
  readonly workers?: number;
  /** False: the kernel places all processes. */
  readonly pinned?: boolean;
}

/** Starts, verifies and hands over those of `kinds` that were asked for and are installed; stops them after `use`. */
export async function withTargets<T>(
  kinds: readonly TargetKind[],
  { only, progress }: BenchOptions,
  use: (bench: Bench) => Promise<T>,
  { workers = 1, pinned = true }: Setup = {},
): Promise<T> {
  const origin = await Origin.start();
  const loader = new Loader();
  const targets: Target[] = [];
  try {
    if (pinned) pin([origin.pid, loader.pid], LOAD_CORE);
    for (const kind of kinds) {
      if (only.length > 0 && !only.includes(kind.name)) continue;
      const missing = kind.missing();
      if (missing !== null) {
        progress(`${kind.name} is not here: ${missing}`);
        continue;
      }
      const target = await kind.start(origin.ports, workers);
      targets.push(target);
      await verify(target);
      if (pinned) pin(target.pids(), BALANCER_CORE);
    }
    return await use(new Bench(origin, loader, targets));
  } finally {
    for (const target of targets) await target.stop();
    await loader.stop();
    origin.stop();
  }
}

/** Says after each of `total` steps of like length how long the others will take. */
export function countdown(total: number, { progress }: BenchOptions): (text: string) => void {
  const startMs = performance.now();
  let done = 0;
  return text => {
    done++;
    const leftSeconds = (((performance.now() - startMs) / done) * (total - done)) / 1000;
    progress(`[${done}/${total}, ${leftSeconds.toFixed(0)} s left] ${text}`);
  };
}

/** Answers per second; a round in which none came has no duration either. */
export const rateOf = ({ requests, seconds }: LoadResult): number =>
  requests === 0 ? 0 : requests / seconds;

export async function warmUp(bench: Bench, seconds: number, tick: (text: string) => void): Promise<void> {
  for (const target of bench.targets) {
    await bench.closed(target, seconds);
    tick(`${target.name} is warm`);
  }
}

/** A step of a scenario: its name in the progress, and one round of it on one target. */
export interface Step {
  readonly name: string;
  readonly measure: (target: Target) => Promise<Sample>;
}

export interface Result<S extends Step> {
  readonly step: S;
  readonly target: Target;
  readonly merged: Merged;
}

/** `rounds` rounds of every step on every target, the targets taking turns within a round; all rounds of each as one. */
export async function inTurns<S extends Step>(
  targets: readonly Target[],
  steps: readonly S[],
  rounds: number,
  tick: (text: string) => void,
): Promise<Result<S>[]> {
  const results: Result<S>[] = [];
  for (const step of steps) {
    const samples = new Map<Target, Sample[]>(targets.map(target => [target, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const target of targets) {
        const sample = await step.measure(target);
        samples.get(target)!.push(sample);
        tick(`${target.name}, ${step.name}, round ${round} of ${rounds}: ${Math.round(rateOf(sample))}/s`);
      }
    }
    for (const target of targets) results.push({ step, target, merged: merge(samples.get(target)!) });
  }
  return results;
}

const KIB = 1024;
const MIB = 1024 * KIB;
export const sizeText = (bytes: number): string => {
  if (bytes >= MIB) return `${bytes / MIB} MiB`;
  return bytes >= KIB ? `${bytes / KIB} KiB` : `${bytes} B`;
};

/** To a tenth, for a table; null where nothing was measured. */
export const rounded = (value: number): number | null =>
  Number.isFinite(value) ? Number(value.toFixed(1)) : null;

export const latencyColumns = ({ p50Us, p90Us, p99Us, p999Us, maxUs }: Percentiles): object => ({
  'p50 us': p50Us,
  'p90 us': p90Us,
  'p99 us': p99Us,
  'p99.9 us': p999Us,
  'max us': maxUs,
});

export interface Merged extends Percentiles {
  readonly requests: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly unanswered: number;
  readonly perReplica: readonly number[];
  readonly cpuUsPerRequest: number;
  readonly cpuUsRounds: readonly number[];
  readonly lateP99Us: number;
}

/** Rounds of one target as one: counts and latencies of all, rates and costs of the median round. */
export function merge(samples: readonly Sample[]): Merged {
  const all = new Latencies();
  for (const { latencies } of samples) all.add(Latencies.fromText(latencies));
  const cpuUsRounds = samples.filter(({ requests }) => requests > 0).map(sample => sample.cpuUsPerRequest);
  const sum = (pick: (sample: Sample) => number): number =>
    samples.reduce((total, sample) => total + pick(sample), 0);
  return {
    requests: sum(sample => sample.requests),
    perSecond: median(samples.map(rateOf)),
    errors: sum(sample => sample.errors),
    unanswered: sum(sample => sample.unanswered),
    perReplica: (samples[0]?.perReplica ?? []).map((_, i) => sum(sample => sample.perReplica[i] ?? 0)),
    cpuUsPerRequest: median(cpuUsRounds),
    cpuUsRounds,
    lateP99Us: Math.max(...samples.map(sample => sample.lateP99Us)),
    ...all.percentiles(),
  };
}
