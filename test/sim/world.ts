// A machine that is not there: containers that die, hang, start slowly or not at all, an engine that goes away and tells
// late, twice or never, and the data plane of a torc that runs on it. Everything takes its time from a fake clock and its
// luck from one seed. Addresses are reused at once, as engines do. A torc that crashes leaves its containers behind: each
// run of torc gets a driver of its own, and what the dead one had asked for goes on without telling anybody.

import type { DataPlane } from '../../src/control/data-plane.ts';
import type { Driver, DriverEvent, Probe, Replica, ReplicaSpec } from '../../src/control/driver.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Random } from '../../src/core/random.ts';
import type { SnapshotMessage } from '../../src/core/types.ts';
import type { FakeClock } from './clock.ts';

export interface Container {
  readonly id: string;
  readonly port: number;
  slot: string;
  generation: number;
  spare: boolean;
  /** '' is what torc was configured with. */
  readonly version: string;
  status: 'running' | 'stopped';
  hung: boolean;
  /** Answers no heartbeat until then, but lives. */
  busyUntilMs: number;
  /** Answers heartbeats with 503. */
  unwell: boolean;
  /** While it is busy, workers read from it all the time. */
  sends: boolean;
  readonly answersAtMs: number;
  /** Something was done to it: to declare it dead is fair. */
  harmed: boolean;
  /** Left by a start that threw, or by a stop that could not be done: counts for nothing until it is cleared away. */
  stray: boolean;
}

export interface Chances {
  /** Starts that throw; half of them leave a container behind. */
  startFails: number;
  /** Starts whose replica never answers. */
  startMute: number;
  /** Starts whose replica ends by itself soon, answered or not. */
  startShort: number;
  eventLost: number;
  eventTwice: number;
  eventLateMs: number;
}

export const CALM: Chances = {
  startFails: 0,
  startMute: 0,
  startShort: 0,
  eventLost: 0,
  eventTwice: 0,
  eventLateMs: 10,
};

interface Run {
  onEvent: ((event: DriverEvent) => void) | null;
  isDead: boolean;
}

export class World {
  readonly clock: FakeClock;
  readonly random: Random;
  chances: Chances = CALM;
  readonly containers = new Map<string, Container>();
  readonly published: SnapshotMessage[] = [];
  /** Replicas of which the running torc was told that they are going or gone. */
  readonly told = new Set<string>();
  onTold: (replicaId: string) => void = () => {};
  isAway = false;
  lastWordsMs = 10;
  #run: Run = { onEvent: null, isDead: true };
  #idCount = 0;
  #stopCount = 0;
  #reads = 0;
  /** Whole answers, as workers count them. */
  answers = 0;
  mostStopsAtOnce = 0;

  constructor(clock: FakeClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  between = (least: number, most: number): number => least + this.random() * (most - least);
  happens = (chance: number): boolean => this.random() < chance;

  /** The surroundings of a new run of torc; the one before is dead from now on: nothing calls it back. */
  newRun(): { driver: Driver; dataPlane: DataPlane; clock: Clock; probe: Probe } {
    this.#run.isDead = true;
    this.told.clear();
    this.published.length = 0;
    const run: Run = { onEvent: null, isDead: false };
    this.#run = run;
    const driver: Driver = {
      name: 'docker',
      creates: true,
      open: async onEvent => {
        await this.#call(run, 5);
        run.onEvent = onEvent;
      },
      list: async () => {
        const listed = [...this.containers.values()].map(toReplica);
        await this.#call(run, this.happens(0.3) ? this.between(100, 1_000) : this.between(1, 30));
        return this.happens(0.5) ? listed : [...this.containers.values()].map(toReplica);
      },
      start: spec => this.#start(run, spec),
      stop: (replica, graceMs) => this.#stop(run, replica, graceMs),
      prepare: async version => {
        await this.#call(run, 20);
        if (version.startsWith('missing')) throw new Error(`${version} is not here`);
      },
      lastWords: async () => {
        await this.#call(run, this.lastWordsMs).catch(() => {});
        return 'last words';
      },
      assign: async (replica, { slot, generation, spare }) => {
        await this.#call(run, 20);
        const container = this.containers.get(replica.id);
        if (container) Object.assign(container, { slot, generation, spare });
        return { ...replica, slot, generation, spare };
      },
      close: async () => {
        run.isDead = true;
      },
    };
    return { driver, dataPlane: this.#dataPlane(run), clock: this.#clockOf(run), probe: this.#probeOf(run) };
  }

  #clockOf(run: Run): Clock {
    const callIfAlive = (callback: () => void) => (): void => {
      if (!run.isDead) callback();
    };
    return {
      nowMs: () => this.clock.nowMs(),
      wallMs: () => this.clock.wallMs(),
      after: (ms, callback) => this.clock.after(ms, callIfAlive(callback)),
    };
  }

  #probeOf(run: Run): Probe {
    return ({ port }, _question, timeoutMs) => {
      const startedMs = this.clock.nowMs();
      return new Promise(resolve => {
        const container = this.#at(port);
        const isSilent = container?.hung === true || (container?.busyUntilMs ?? 0) > startedMs;
        const answers = container !== undefined && !isSilent && container.answersAtMs <= startedMs;
        this.clock.after(isSilent ? timeoutMs : this.between(1, 10), () => {
          // In a stalled process the probe's own timeout runs before the answer is read.
          if (run.isDead) return;
          const isLate = this.clock.nowMs() - startedMs >= timeoutMs;
          if (isLate)
            resolve({ alive: false, got: 'nothing', status: 0, detail: `no answer within ${timeoutMs} ms` });
          else if (answers && container.unwell)
            resolve({ alive: false, got: 'answer', status: 503, detail: '503 in 1 ms' });
          else if (answers) resolve({ alive: true, got: 'answer', status: 200, detail: '200' });
          else resolve({ alive: false, got: 'refused', status: 0, detail: 'connection refused' });
        });
      });
    };
  }

  // What happens to containers.

  running(): Container[] {
    return [...this.containers.values()].filter(container => container.status === 'running');
  }

  kill(container: Container): void {
    this.#end(container);
    this.tell({ kind: 'gone', replicaId: container.id, cause: 'docker die, exit code 137' });
  }

  /** SIGTERM by somebody else: it ends after a while. */
  terminate(container: Container): void {
    container.harmed = true;
    this.tell({ kind: 'going', replicaId: container.id, cause: 'docker kill, signal 15' });
    this.clock.after(this.between(10, 3_000), () => {
      if (container.status === 'running') this.kill(container);
    });
  }

  tell(event: DriverEvent): void {
    const times = this.happens(this.chances.eventLost) ? 0 : this.happens(this.chances.eventTwice) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const run = this.#run;
      this.clock.after(this.between(1, this.chances.eventLateMs), () => {
        if (run.isDead || this.isAway || run.onEvent === null) return;
        run.onEvent(event);
        if (event.replicaId === undefined || event.kind === 'unhealthy' || event.kind === 'changed') return;
        this.told.add(event.replicaId);
        this.onTold(event.replicaId);
      });
    }
  }

  #end(container: Container): void {
    container.status = 'stopped';
    container.harmed = true;
  }

  #at(port: number): Container | undefined {
    return this.running().find(container => container.port === port);
  }

  /** Every call takes time, and fails while the engine is away, unless it is torc's own affair. A dead torc never hears of its end. */
  async #call(run: Run, ms: number, isOwn = false): Promise<void> {
    await new Promise<void>(resolve => this.clock.after(ms, resolve));
    if (run.isDead) await new Promise<void>(() => {});
    if (this.isAway && !isOwn) throw new Error('no engine answers');
  }

  async #start(run: Run, spec: ReplicaSpec): Promise<Replica> {
    await this.#call(run, this.between(10, 200));
    const fails = this.happens(this.chances.startFails);
    if (fails && this.happens(0.5)) throw new Error('no such image');
    const container = this.#create(spec);
    container.stray = fails;
    const isHeard = this.#call(run, this.between(10, 400));
    try {
      await isHeard;
    } catch (error) {
      container.stray = true;
      throw error;
    }
    if (fails) throw new Error('the start timed out');
    return toReplica(container);
  }

  #create(spec: ReplicaSpec): Container {
    const taken = new Set(this.running().map(each => each.port));
    let port = 1;
    while (taken.has(port)) port++;
    const { version = '' } = spec;
    const mute = this.happens(this.chances.startMute) || version.startsWith('mute');
    const short = this.happens(this.chances.startShort) || version.startsWith('short');
    const container: Container = {
      id: `c${++this.#idCount}`,
      port,
      ...spec,
      version,
      status: 'running',
      hung: false,
      busyUntilMs: 0,
      unwell: false,
      sends: false,
      answersAtMs: mute ? Number.POSITIVE_INFINITY : this.clock.nowMs() + this.between(5, 2_000),
      harmed: mute,
      stray: false,
    };
    this.containers.set(container.id, container);
    if (short) {
      this.clock.after(this.between(1, 2_000), () => {
        if (container.status === 'running') this.kill(container);
      });
    }
    return container;
  }

  async #stop(run: Run, replica: Replica, graceMs: number): Promise<void> {
    const container = this.containers.get(replica.id);
    this.mostStopsAtOnce = Math.max(this.mostStopsAtOnce, ++this.#stopCount);
    try {
      await this.#call(run, container?.hung ? graceMs : this.between(5, 100));
    } catch (error) {
      if (container) container.stray = true;
      throw error;
    } finally {
      this.#stopCount--;
    }
    if (!container) return;
    if (container.status === 'running') this.kill(container);
    this.containers.delete(container.id);
  }

  #dataPlane(run: Run): DataPlane {
    return {
      publish: snapshot => this.published.push(snapshot),
      drained: (_replicaId, timeoutMs) =>
        new Promise(resolve => {
          if (run.isDead) return;
          const needsMs = this.happens(0.1) ? timeoutMs : this.between(0, 500);
          this.clock.after(needsMs, () => resolve(needsMs < timeoutMs));
        }),
      signs: async replicaId => {
        await this.#call(run, this.between(1, 20), true);
        const container = this.containers.get(replicaId);
        const isHeard = container?.sends === true && container.busyUntilMs > this.clock.nowMs();
        return { reads: isHeard ? ++this.#reads : this.#reads, answers: this.answers };
      },
    };
  }
}

const toReplica = (container: Container): Replica => ({
  id: container.id,
  slot: container.slot,
  generation: container.generation,
  spare: container.spare,
  status: container.status,
  host: '10.0.0.1',
  port: container.port,
  label: container.id,
});
