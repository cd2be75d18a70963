// A swarm on a fake clock, with what was measured of real ones (20.10): how long each thing takes, and every way in which it
// misleads. A leader that is cut off answers reads from its store for 16 s; without one calls hang; a write may happen and be
// answered with an error; a manager that is healed unseats the leader, and all nodes are `unknown` meanwhile; a lost machine is
// noticed after 10 to 16 s, or 40 without a leader; gaps in slot numbers; two tasks in one slot. Torcs sit on its nodes and
// reach what their node reaches.

import type { DataPlane } from '../../src/control/data-plane.ts';
import type { Orders, Probe, ProbeResult } from '../../src/control/driver.ts';
import type { Log } from '../../src/core/log.ts';
import type { Random } from '../../src/core/random.ts';
import type { SnapshotMessage } from '../../src/core/types.ts';
import { type Engine, EngineError } from '../../src/drivers/docker/engine.ts';
import { SwarmDriver } from '../../src/drivers/swarm/driver.ts';
import { Managers } from '../../src/drivers/swarm/managers.ts';
import type {
  SwarmNode,
  SwarmService,
  SwarmServiceSpec,
  SwarmTask,
} from '../../src/drivers/swarm/objects.ts';
import type { Shared } from '../../src/drivers/swarm/store.ts';
import type { FakeClock } from './clock.ts';

const TICK_MS = 100;
/** Of a list: to write and read a task of it. */
const TASK_MS = 0.1;
const STALE_MS = 16_500;
const HANG_MS = 20_000;

export interface Machine {
  readonly id: string;
  readonly addr: string;
  readonly isManager: boolean;
  isOn: boolean;
  /** Who is on another side is not reached; 0: the swarm's. */
  side: number;
  state: 'ready' | 'down' | 'unknown';
  /** Since when the leader does not hear it; null: it does. */
  missingSinceMs: number | null;
  noticedAfterMs: number;
  backAtMs: number | null;
  /** What a leader that was cut off still shows. */
  stale: { readonly untilMs: number; readonly view: View } | null;
}

interface Task {
  readonly id: string;
  readonly slot: number;
  readonly node: Machine;
  readonly port: number;
  readonly createdMs: number;
  desired: 'running' | 'shutdown';
  state: 'preparing' | 'running' | 'failed';
  runsAtMs: number;
  /** Its program. */
  isAlive: boolean;
  isHung: boolean;
  endsAtMs: number;
  /** When the leader knows that it ended. */
  failedAtMs: number;
  /** It was made to take this one's place, start-first. */
  readonly after: Task | null;
}

interface View {
  readonly service: SwarmService;
  readonly tasks: readonly SwarmTask[];
  readonly nodes: readonly SwarmNode[];
}

export class SwarmWorld {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly machines: Machine[];
  service: SwarmService;
  leader: Machine | null;
  tasks: Task[] = [];
  /** By every accepted write, with whoever wrote. */
  onWrite: (before: SwarmServiceSpec, after: SwarmServiceSpec, torc: number) => void = () => {};
  /** Share of writes that happen and are answered with an error. */
  lossy = 0;
  #noLeaderSinceMs = 0;
  #electAtMs = Number.POSITIVE_INFINITY;
  #unseatAtMs = Number.POSITIVE_INFINITY;
  #unknownUntilMs = 0;
  #taskCount = 0;
  #isClosed = false;

  constructor(clock: FakeClock, random: Random, size: { machines: number; managers: number; slots: number }) {
    this.clock = clock;
    this.random = random;
    this.machines = Array.from({ length: size.machines }, (_, index) => ({
      id: `n${index + 1}`,
      addr: `10.9.${index >> 8}.${index & 255}`,
      isManager: index < size.managers,
      isOn: true,
      side: 0,
      state: 'ready',
      missingSinceMs: null,
      noticedAfterMs: 0,
      backAtMs: null,
      stale: null,
    }));
    this.leader = this.machines[0]!;
    const Spec: SwarmServiceSpec = {
      Name: 'web',
      Labels: {},
      TaskTemplate: { ContainerSpec: { Image: 'app:1' }, Placement: {} },
      Mode: { Replicated: { Replicas: size.slots } },
      EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 8080, PublishMode: 'host' }] },
    };
    this.service = { ID: 'service-1', Version: { Index: 1 }, Spec };
    for (let slot = 1; slot <= size.slots; slot++) this.#make(slot, null, 0);
    this.#loop();
  }

  close(): void {
    this.#isClosed = true;
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)];
  }

  get replicas(): number {
    return this.service.Spec.Mode?.Replicated?.Replicas ?? 0;
  }

  /** Managers that are well, and a leader for a while. */
  get isCalm(): boolean {
    return this.leader !== null && this.clock.nowMs() >= this.#unknownUntilMs;
  }

  reaches(a: Machine, b: Machine): boolean {
    return a === b ? a.isOn : a.isOn && b.isOn && a.side === b.side;
  }

  // Faults.

  kill(task: Task): void {
    task.isAlive = false;
    task.failedAtMs = this.#nowMs() + 300;
  }

  living(): Task[] {
    return this.tasks.filter(task => task.isAlive && task.state === 'running' && task.desired === 'running');
  }

  powerOff(machine: Machine): void {
    machine.isOn = false;
    for (const task of this.tasks) if (task.node === machine) task.isAlive = false;
    this.#lose(machine);
  }

  cut(machine: Machine): void {
    machine.side = Number(machine.id.slice(1));
    this.#lose(machine);
  }

  /** On again, and reached. */
  restore(machine: Machine): void {
    machine.isOn = true;
    machine.side = 0;
    machine.stale = null;
    machine.backAtMs = this.#nowMs() + this.between(1_000, 6_000);
    if (machine.isManager && machine !== this.leader)
      this.#unseatAtMs = this.#nowMs() + this.between(3_000, 33_000);
  }

  #lose(machine: Machine): void {
    machine.backAtMs = null;
    machine.noticedAfterMs = this.between(10_000, 15_600);
    machine.missingSinceMs ??= this.#nowMs();
    if (machine !== this.leader) return;
    machine.stale = { untilMs: this.#nowMs() + STALE_MS, view: this.#view() };
    this.#unseat(this.between(11_000, 14_000));
  }

  #unseat(ms: number): void {
    this.leader = null;
    this.#noLeaderSinceMs = this.#nowMs();
    this.#electAtMs = this.#nowMs() + ms;
    this.#unseatAtMs = Number.POSITIVE_INFINITY;
  }

  // Swarm itself.

  #nowMs(): number {
    return this.clock.nowMs();
  }

  #loop(): void {
    this.clock.after(TICK_MS, () => {
      if (this.#isClosed) return;
      this.#tick();
      this.#loop();
    });
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    for (const task of this.tasks) if (task.endsAtMs <= nowMs && this.#hears(task.node)) task.isAlive = false;
    for (const task of this.tasks)
      if (task.state === 'preparing' && task.runsAtMs <= nowMs && this.#hears(task.node)) {
        task.state = 'running';
        task.isAlive = true;
      }
    if (this.leader !== null && nowMs >= this.#unseatAtMs) this.#unseat(this.between(11_000, 14_000));
    if (this.leader === null && nowMs >= this.#electAtMs) this.#elect();
    if (this.leader !== null) this.#lead(nowMs);
  }

  #hears(machine: Machine): boolean {
    return machine.isOn && machine.side === 0;
  }

  #elect(): void {
    const managers = this.machines.filter(({ isManager }) => isManager);
    const well = managers.filter(machine => this.#hears(machine));
    if (well.length * 2 <= managers.length) {
      this.#electAtMs = this.#nowMs() + 14_000;
      return;
    }
    this.leader = this.pick(well)!;
    this.#unknownUntilMs = this.#nowMs() + this.between(1_000, 5_000);
    // A new leader counts anew.
    for (const machine of this.machines)
      if (machine.missingSinceMs !== null && machine.state !== 'down') {
        machine.missingSinceMs = this.#nowMs();
        machine.noticedAfterMs = this.between(26_000, 31_000);
      }
  }

  #lead(nowMs: number): void {
    for (const machine of this.machines) {
      if (machine.backAtMs !== null && nowMs >= machine.backAtMs) {
        Object.assign(machine, { backAtMs: null, missingSinceMs: null, state: 'ready' });
        for (const task of this.tasks)
          if (task.node === machine && task.desired === 'shutdown')
            task.endsAtMs = nowMs + this.between(4_000, 10_000);
      }
      if (machine.missingSinceMs !== null && nowMs - machine.missingSinceMs >= machine.noticedAfterMs)
        machine.state = 'down';
    }
    const wanted = this.replicas;
    const away = new Set(
      (this.service.Spec.TaskTemplate.Placement?.Constraints ?? []).map(text =>
        text.replace('node.id!=', ''),
      ),
    );
    let isMoving = false;
    for (const task of this.tasks.filter(each => each.desired === 'running')) {
      const isNewest = !this.tasks.some(other => other.after === task && other.desired === 'running');
      const hasFailed = !task.isAlive && task.failedAtMs <= nowMs && task.state === 'running';
      if (task.node.state === 'down' || hasFailed) {
        task.desired = 'shutdown';
        if (isNewest) this.#make(task.slot, null, task.node.state === 'down' ? 3_500 : 800);
      } else if (away.has(task.node.id) && isNewest) {
        isMoving = true;
        this.#make(task.slot, task, 1_600);
      }
      if (task.after?.desired === 'running' && task.state === 'running') {
        task.after.desired = 'shutdown';
        task.after.endsAtMs = nowMs + 3_200;
      }
      // Off and on again: its program went with it.
      if (!task.isAlive && task.state === 'running' && task.failedAtMs === Number.POSITIVE_INFINITY)
        if (this.#hears(task.node) && task.node.missingSinceMs === null) task.failedAtMs = nowMs;
    }
    const slots = [...new Set(this.tasks.filter(each => each.desired === 'running').map(({ slot }) => slot))];
    for (let count = slots.length; count < wanted; count++) {
      let free = 1;
      while (slots.includes(free)) free++;
      slots.push(free);
      this.#make(free, null, 1_350);
    }
    for (let count = slots.length; count > wanted; count--) this.#scaleDown();
    if (isMoving)
      this.service = { ...this.service, UpdateStatus: { State: 'updating', StartedAt: `${nowMs}` } };
    else if (
      this.service.UpdateStatus?.State === 'updating' &&
      !this.tasks.some(({ desired, state }) => desired === 'running' && state === 'preparing')
    )
      this.service = { ...this.service, UpdateStatus: { ...this.service.UpdateStatus, State: 'completed' } };
    if (this.tasks.length > 3 * wanted)
      this.tasks = this.tasks.filter(({ desired, isAlive }) => desired === 'running' || isAlive);
  }

  /** From the machine with most tasks, then the highest number. */
  #scaleDown(): void {
    const running = this.tasks.filter(each => each.desired === 'running');
    const load = new Map<Machine, number>();
    for (const { node } of running) load.set(node, (load.get(node) ?? 0) + 1);
    const [victim] = running.sort((a, b) => load.get(b.node)! - load.get(a.node)! || b.slot - a.slot);
    for (const task of running)
      if (task.slot === victim?.slot)
        Object.assign(task, { desired: 'shutdown', endsAtMs: this.#nowMs() + 1_160 });
  }

  #make(slot: number, after: Task | null, inMs: number): void {
    const constraints = this.service.Spec.TaskTemplate.Placement?.Constraints ?? [];
    const allowed = this.machines.filter(
      ({ id, state }) => state === 'ready' && !constraints.includes(`node.id!=${id}`),
    );
    const node = allowed.filter(machine => this.#hears(machine));
    const place = this.pick(node) ?? this.pick(allowed) ?? this.machines[0]!;
    const number = ++this.#taskCount;
    this.tasks.push({
      id: `t${number}`,
      slot,
      node: place,
      port: 10_000 + number,
      createdMs: this.#nowMs(),
      desired: 'running',
      state: inMs === 0 ? 'running' : 'preparing',
      runsAtMs: this.#nowMs() + inMs,
      isAlive: inMs === 0,
      isHung: false,
      endsAtMs: Number.POSITIVE_INFINITY,
      failedAtMs: Number.POSITIVE_INFINITY,
      after,
    });
  }

  #view(): View {
    const isUnknown = this.#nowMs() < this.#unknownUntilMs;
    return {
      service: this.service,
      nodes: this.machines.map(({ id, addr, state }) => ({
        ID: id,
        Description: { Hostname: id },
        Spec: { Availability: 'active' },
        Status: { State: isUnknown ? 'unknown' : state, Addr: addr },
      })),
      tasks: this.tasks
        .filter(({ desired }) => desired === 'running')
        .map(({ id, slot, node, port, createdMs, desired, state }) => ({
          ID: id,
          CreatedAt: new Date(createdMs + Number(id.slice(1)) / 1_000_000).toISOString(),
          Slot: slot,
          NodeID: node.id,
          DesiredState: desired,
          Spec: { ContainerSpec: { Image: 'app:1' } },
          Status: {
            State: state,
            PortStatus: { Ports: [{ TargetPort: 8080, PublishedPort: port, PublishMode: 'host' }] },
          },
        })),
    };
  }

  // A manager's API, as a torc on `from` has it.

  engineOf(manager: Machine, from: Machine, torc: number): Engine {
    const after = (ms: number): Promise<void> => new Promise(resolve => this.clock.after(ms, resolve));
    const ask = async (
      what: string,
      call: (docker: unknown) => Promise<unknown>,
      timeoutMs: number,
    ): Promise<unknown> => {
      const isLong = what === 'cannot list the tasks';
      await after(this.between(1, 8) + (isLong ? this.tasks.length * TASK_MS : 0));
      const nowMs = this.#nowMs();
      const hang = async (): Promise<never> => {
        await after(timeoutMs);
        throw new EngineError(`${what}: no answer within ${timeoutMs} ms`, 0, undefined);
      };
      if (!this.reaches(from, manager)) return hang();
      const hasLeader = this.leader !== null && this.#hears(manager);
      const { stale } = manager;
      if (!hasLeader && stale !== null && nowMs < stale.untilMs)
        return call(this.#docker(stale.view, torc, false));
      if (!hasLeader) {
        const sinceMs = this.leader === null ? this.#noLeaderSinceMs : (manager.missingSinceMs ?? nowMs);
        if (nowMs - sinceMs < HANG_MS) return hang();
        throw new EngineError('The swarm does not have a leader', 500, undefined);
      }
      return call(this.#docker(this.#view(), torc, true));
    };
    return {
      ask,
      stream: () => Promise.reject(new Error('no events: polls alone')),
      inspect: async () => Promise.reject(new EngineError('none', 404, undefined)),
    } as unknown as Engine;
  }

  #docker(view: View, torc: number, isCurrent: boolean): object {
    return {
      getService: () => ({
        inspect: async () => view.service,
        update: async ({ _query, _body }: { _query: { version: number }; _body: SwarmServiceSpec }) => {
          if (!isCurrent) throw new EngineError('node lost leader status', 500, undefined);
          if (_query.version !== this.service.Version.Index)
            throw new EngineError('rpc error: code = Unknown desc = update out of sequence', 500, undefined);
          const before = this.service.Spec;
          this.service = { ...this.service, Version: { Index: _query.version + 1 }, Spec: _body };
          this.onWrite(before, _body, torc);
          if (this.random() < this.lossy) throw new EngineError('node lost leader status', 500, undefined);
        },
      }),
      listTasks: async () => view.tasks,
      listNodes: async () => view.nodes,
    };
  }

  // A torc's surroundings.

  surroundings(
    torc: number,
    at: Machine,
    shared: Shared,
    log: Log,
  ): { driver: SwarmDriver; probe: Probe; dataPlane: DataPlane; published: SnapshotMessage[] } {
    const managers = this.machines.filter(({ isManager }) => isManager);
    // Each begins with another one.
    const turned = managers.map((_, index) => managers[(index + torc) % managers.length]!);
    const engines = turned.map(manager => this.engineOf(manager, at, torc));
    const driver = new SwarmDriver({
      service: 'web',
      definition: null,
      managers: new Managers(engines, this.clock),
      engine: engines[0]!,
      port: null,
      ownNetworks: async () => null,
      reach: 'auto',
      evacuates: true,
      shared,
      nowMs: () => this.clock.nowMs(),
      wallMs: () => this.clock.wallMs(),
      log,
    });
    // Whether a machine is there is asked of sockets, which there are none of here.
    Object.assign(driver.orders as { -readonly [key in keyof Orders]: Orders[key] }, {
      isSilent: async ({ id }: { id: string }, withinMs: number) => {
        const machine = this.machines.find(each => each.id === id)!;
        const isReached = this.reaches(at, machine);
        await new Promise<void>(resolve => this.clock.after(isReached ? 3 : withinMs, resolve));
        return !this.reaches(at, machine);
      },
    });
    const published: SnapshotMessage[] = [];
    const dataPlane: DataPlane = {
      publish: snapshot => void published.splice(0, published.length, snapshot),
      drained: async () => {
        await new Promise<void>(resolve => this.clock.after(5, resolve));
        return true;
      },
      signs: async () => ({ reads: 0, answers: 0 }),
    };
    return { driver, probe: this.#probeOf(at), dataPlane, published };
  }

  #probeOf(at: Machine): Probe {
    const byPort = (port: number): Task | undefined => this.tasks.find(task => task.port === port);
    const known = new Map<number, Task>();
    return ({ port }, _question, timeoutMs) =>
      new Promise<ProbeResult>(resolve => {
        const task = known.get(port) ?? byPort(port);
        if (task !== undefined) known.set(port, task);
        const isReached = task !== undefined && this.reaches(at, task.node);
        if (!isReached || (task.isAlive && task.isHung))
          this.clock.after(timeoutMs, () =>
            resolve({ alive: false, got: 'nothing', status: 0, detail: `no answer within ${timeoutMs} ms` }),
          );
        else
          this.clock.after(this.between(1, 5), () =>
            resolve(
              task.isAlive
                ? { alive: true, got: 'answer', status: 200, detail: '200' }
                : { alive: false, got: 'refused', status: 0, detail: 'connection refused' },
            ),
          );
      });
  }
}
