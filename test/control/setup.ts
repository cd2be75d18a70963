// A supervisor on the simulation's calm machine, for tests of one behaviour at a time.

import type { SlotStore } from '../../src/control/slot-file.ts';
import { Supervisor, type SupervisorSettings } from '../../src/control/supervisor.ts';
import type { Log } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { advance, FakeClock } from '../sim/clock.ts';
import { type Container, World } from '../sim/world.ts';

export const SETTINGS: SupervisorSettings = {
  replicas: 3,
  spares: 0,
  adopt: true,
  ring: 'rendezvous',
  ringRows: 64,
  heartbeatPath: '/heartbeat',
  heartbeatMode: 'http',
  replicaProtocol: 'http1',
  heartbeatMethod: 'GET',
  heartbeatHost: null,
  heartbeatPort: null,
  heartbeatStatus: [{ from: 200, to: 399 }],
  heartbeatIntervalMs: 1000,
  heartbeatTimeoutMs: 500,
  heartbeatFall: 2,
  heartbeatRise: 1,
  deadAfterMs: 10_000,
  startTimeoutMs: 30_000,
  drainTimeoutMs: 10_000,
  slowStartMs: 0,
  returnHow: 'now',
};

export class Bench {
  readonly clock = new FakeClock();
  readonly world = new World(this.clock, seededRandom(1));
  readonly lines: string[] = [];
  readonly settings: Partial<SupervisorSettings>;
  torc: Supervisor;
  weightStore: SlotStore<number> | null = null;
  canaryStore: SlotStore<string> | null = null;

  constructor(settings: Partial<SupervisorSettings> = {}) {
    this.settings = settings;
    this.torc = this.newTorc();
  }

  newTorc(settings: Partial<SupervisorSettings> = {}): Supervisor {
    const say = (fields: object, message: string): void => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug: () => {}, info: say, warn: say, error: say };
    const { random } = this.world;
    this.torc = new Supervisor({
      ...this.world.newRun(),
      random,
      log,
      ...(this.weightStore === null ? {} : { weightStore: this.weightStore }),
      ...(this.canaryStore === null ? {} : { canaryStore: this.canaryStore }),
      settings: () => ({ ...SETTINGS, ...this.settings, ...settings }),
    });
    return this.torc;
  }

  /** Starts and lets it become whole. */
  async ready(): Promise<Supervisor> {
    void this.torc.start();
    await this.pass(5_000);
    return this.torc;
  }

  pass(ms: number): Promise<void> {
    return advance(this.clock, ms);
  }

  /** The running container of a slot; it must be there. */
  of(slot: string): Container {
    const id = this.torc.slots().find(each => each.name === slot)?.replicaId ?? '';
    const container = this.world.containers.get(id);
    if (!container) throw new Error(`slot ${slot} has no container`);
    return container;
  }

  states(): string[] {
    return this.torc.slots().map(slot => `${slot.name} ${slot.state}`);
  }

  routed(): string[] {
    return this.torc.snapshot().upstreams.map(each => `${each.slot} ${each.replicaId} ${each.state}`);
  }
}
