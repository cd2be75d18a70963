// Several torcs over one swarm that does its worst, from one seed each: tasks die and hang, machines are switched off and cut
// off, managers and leaders among them, calls hang, go stale, fail after they happened; somebody scales. What torc promises is
// checked all the while. Small swarms of many seeds, and one of 1,000 slots, 50 machines and 5 torcs.
//   TORC_TEST_SIM_SEED=n      one small seed again        TORC_TEST_SIM_MS=600000      a long run of small ones

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Supervisor } from '../../src/control/supervisor.ts';
import { type Log, silentLog } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { SnapshotMessage } from '../../src/core/types.ts';
import type { SwarmServiceSpec } from '../../src/drivers/swarm/objects.ts';
import { EVACUATED } from '../../src/drivers/swarm/write.ts';
import { placementDigest } from '../../src/ring/digest.ts';
import { NONE } from '../../src/ring/table.ts';
import { SETTINGS } from '../control/setup.ts';
import { advance, FakeClock } from './clock.ts';
import { type Machine, SwarmWorld } from './swarm-world.ts';

const CHECK_MS = 100;
/** Poll and heartbeat, as torc is set by default, and the calls that they are made of. */
const NAMES_AGREE_MS = 500 + 1_000;
/** Managers and machines have been well for so long. */
const SETTLED_MS = 6_000;
const EVACUATION_EVERY_MS = 60_000;
const RING_ROWS = 512;
const SHARED = { TORC_RING: 'rendezvous' };

interface Torc {
  readonly number: number;
  readonly at: Machine;
  readonly supervisor: Supervisor;
  readonly published: SnapshotMessage[];
  /** Lists that were read, and those that could not be. */
  listed: number;
  failed: number;
  /** What it had after the last check, and how many lists it had read then. */
  names: string;
  seen: number;
}

interface Tally {
  faults: number;
  failedPolls: number;
  evacuations: number;
  namesApartMs: number;
  routesApartMs: number;
  checks: number;
}

class Simulation {
  readonly clock = new FakeClock();
  readonly world: SwarmWorld;
  readonly torcs: Torc[];
  readonly tally: Tally;
  readonly trace: string[] = [];
  #evacuatedAtMs = Number.NEGATIVE_INFINITY;
  #troubleAtMs = 0;
  #namesApartSinceMs: number | null = null;
  #routesApartSinceMs: number | null = null;
  #broken: string | null = null;
  readonly #lostUntilMs = new Map<string, number>();

  constructor(
    seed: number,
    size: { machines: number; managers: number; slots: number; torcs: number },
    tally: Tally,
  ) {
    this.tally = tally;
    const random = seededRandom(seed);
    this.world = new SwarmWorld(this.clock, random, size);
    this.world.onWrite = (before, after, torc) => this.#onWrite(before, after, torc);
    this.torcs = Array.from({ length: size.torcs }, (_, number) =>
      this.#newTorc(number, this.world.machines[Math.floor((number * size.machines) / size.torcs)]!, random),
    );
  }

  #newTorc(number: number, at: Machine, random: () => number): Torc {
    const { world, clock } = this;
    const say = (_fields: object, text: string): void => this.say(`torc ${number}: ${text}`);
    const log: Log = { ...silentLog, warn: say, error: say };
    const { driver, probe, dataPlane, published } = world.surroundings(number, at, SHARED, log);
    const torc = { number, at, published, listed: 0, failed: 0, names: '', seen: 0 };
    const list = driver.list.bind(driver);
    driver.list = async () => {
      try {
        const replicas = await list();
        torc.listed++;
        return replicas;
      } catch (error) {
        torc.failed++;
        this.tally.failedPolls++;
        throw error;
      }
    };
    const settings = { ...SETTINGS, ringRows: RING_ROWS, replicas: 0 };
    const supervisor = new Supervisor({
      driver,
      probe,
      dataPlane,
      random,
      log,
      settings: () => settings,
      // A torc's machine that is off runs nothing.
      clock: {
        nowMs: () => clock.nowMs(),
        wallMs: () => clock.wallMs(),
        after: (ms, callback) => clock.after(ms, callback),
      },
    });
    return Object.assign(torc, { supervisor });
  }

  say(text: string): void {
    this.trace.push(`${this.clock.nowMs().toFixed(0)} ${text}`);
    if (this.trace.length > 80) this.trace.shift();
  }

  // What torc promises.

  #onWrite(before: SwarmServiceSpec, after: SwarmServiceSpec, torc: number): void {
    const nowMs = this.clock.nowMs();
    for (const key of Object.keys(after.Labels ?? {})) {
      if (!key.startsWith(EVACUATED) || before.Labels?.[key] !== undefined) continue;
      const id = key.slice(EVACUATED.length);
      this.say(`-- torc ${torc} evacuates ${id}`);
      this.tally.evacuations++;
      if (nowMs - this.#evacuatedAtMs < EVACUATION_EVERY_MS)
        this.#broken = `${id} is evacuated ${nowMs - this.#evacuatedAtMs} ms after another one`;
      this.#evacuatedAtMs = nowMs;
      const machine = this.world.machines.find(each => each.id === id)!;
      const isLost = !machine.isOn || machine.side !== 0;
      if (!isLost && !(nowMs < (this.#lostUntilMs.get(id) ?? 0)))
        this.#broken = `${id} is evacuated, and was not lost`;
      const constraints = after.TaskTemplate.Placement?.Constraints ?? [];
      const left = this.world.machines.filter(each => !constraints.includes(`node.id!=${each.id}`));
      if (left.length === 0) this.#broken = 'the last machine is evacuated';
    }
  }

  readonly check = (): void => {
    assert.is(this.#broken, null, this.#broken ?? '');
    this.tally.checks++;
    const nowMs = this.clock.nowMs();
    for (const torc of this.torcs) {
      const names = torc.supervisor.names().join();
      if (torc.listed === torc.seen && torc.seen > 0)
        assert.is(names, torc.names, `torc ${torc.number}: other slots without a list`);
      Object.assign(torc, { names, seen: torc.listed });
    }
    if (!this.world.isCalm) this.#troubleAtMs = nowMs;
    const near = this.torcs.filter(({ at }) => at.isOn && at.side === 0);
    const isSettled = nowMs - this.#troubleAtMs >= SETTLED_MS;
    const sets = near.map(({ supervisor }) => supervisor.names().sort().join());
    const isOne = new Set(sets).size <= 1;
    this.#namesApartSinceMs = isOne || !isSettled ? null : (this.#namesApartSinceMs ?? nowMs);
    const namesApartMs = this.#namesApartSinceMs === null ? 0 : nowMs - this.#namesApartSinceMs;
    this.tally.namesApartMs = Math.max(this.tally.namesApartMs, namesApartMs);
    assert.ok(namesApartMs <= NAMES_AGREE_MS, `torcs have had other slots for ${namesApartMs} ms`);
    if (isOne) this.#checkAlike(near);
    const ready = near.map(({ supervisor }) =>
      supervisor
        .snapshot()
        .upstreams.filter(({ state }) => state === 'ready')
        .map(({ slotId, slot }) => slot || slotId)
        .join(),
    );
    const isOneRoute = new Set(ready).size <= 1;
    this.#routesApartSinceMs = isOneRoute || !isSettled ? null : (this.#routesApartSinceMs ?? nowMs);
    const routesApartMs = this.#routesApartSinceMs === null ? 0 : nowMs - this.#routesApartSinceMs;
    this.tally.routesApartMs = Math.max(this.tally.routesApartMs, routesApartMs);
  };

  /** Same list, same table. */
  #checkAlike(torcs: readonly Torc[]): void {
    const isThorough = this.tally.checks % 50 === 0;
    const of = ({ supervisor }: Torc): string => {
      const { algorithm, rows, choices } = supervisor.snapshot();
      const slots = supervisor.slots();
      const digest = placementDigest({ algorithm, rows, key: 'path', slots });
      if (!isThorough) return digest;
      const nameOf = new Map(slots.map(({ id, name }) => [id, name]));
      return `${digest} ${[...choices!].map(id => (id === NONE ? '-' : nameOf.get(id))).join()}`;
    };
    if (this.tally.checks % 10 !== 0) return;
    const [first, ...others] = torcs.map(of);
    for (const other of others) assert.is(other, first, 'the same slots, and another table');
  }

  // Faults.

  async run(chaosMs: number, recoveryMs: number): Promise<void> {
    for (const { supervisor } of this.torcs) void supervisor.start();
    await this.#pass(8_000);
    this.world.lossy = 0.2;
    while (this.clock.nowMs() < chaosMs) {
      this.#fault();
      await this.#pass(this.world.between(500, 5_000));
    }
    this.world.lossy = 0;
    for (const machine of this.world.machines)
      if (!machine.isOn || machine.side !== 0) this.#restore(machine);
    for (const task of this.world.tasks) task.isHung = false;
    await this.#pass(recoveryMs);
    for (const { number, supervisor } of this.torcs) {
      const slots = supervisor.slots();
      const out = slots
        .filter(({ state }) => state !== 'ready')
        .map(({ name, state, change }) => `${name} ${state}: ${change.cause}`);
      assert.is(slots.length, this.world.replicas, `torc ${number} has ${slots.length} slots`);
      assert.equal(out, [], `torc ${number}`);
    }
    this.world.close();
    await Promise.all(this.torcs.map(({ supervisor }) => supervisor.stop({ remove: false })));
  }

  async #pass(ms: number): Promise<void> {
    for (const untilMs = this.clock.nowMs() + ms; this.clock.nowMs() < untilMs; ) {
      await advance(this.clock, CHECK_MS);
      this.check();
    }
  }

  #fault(): void {
    const { world } = this;
    const roll = world.random();
    this.tally.faults++;
    // What is apart from here on is this fault's.
    this.#namesApartSinceMs = null;
    this.#routesApartSinceMs = null;
    const task = world.pick(world.living());
    const machine = world.pick(world.machines.filter(each => each.isOn && each.side === 0))!;
    const lost = world.machines.filter(each => !each.isOn || each.side !== 0);
    const mayLose = lost.length < Math.max(1, world.machines.length / 5);
    if (roll < 0.3 && task) {
      this.say(`-- ${task.id} of slot ${task.slot} dies`);
      world.kill(task);
    } else if (roll < 0.4 && task) {
      this.say(`-- ${task.id} of slot ${task.slot} hangs`);
      task.isHung = true;
    } else if (roll < 0.55 && mayLose) this.#lose(machine, 'off');
    else if (roll < 0.7 && mayLose)
      this.#lose(world.leader !== null && world.random() < 0.3 ? world.leader : machine, 'cut');
    else if (roll < 0.9 && lost.length > 0) this.#restore(world.pick(lost)!);
    else if (world.leader !== null) this.#scale();
  }

  #lose(machine: Machine, how: 'off' | 'cut'): void {
    this.say(`-- ${machine.id} is ${how}${machine === this.world.leader ? ', the leader' : ''}`);
    this.#troubleAtMs = this.clock.nowMs();
    this.#lostUntilMs.set(machine.id, Number.POSITIVE_INFINITY);
    if (how === 'off') this.world.powerOff(machine);
    else this.world.cut(machine);
  }

  #restore(machine: Machine): void {
    this.say(`-- ${machine.id} is back`);
    this.#troubleAtMs = this.clock.nowMs();
    // Whoever saw it silent may be writing.
    this.#lostUntilMs.set(machine.id, this.clock.nowMs() + 10_000);
    this.world.restore(machine);
  }

  #scale(): void {
    const { world } = this;
    const Replicas = Math.max(2, world.replicas + Math.round(world.between(-3, 3)));
    this.say(`-- ${Replicas} tasks are wanted`);
    const { service } = world;
    const Spec = { ...service.Spec, Mode: { Replicated: { Replicas } } };
    world.service = { ...service, Version: { Index: service.Version.Index + 1 }, Spec };
  }
}

const simulation = suite('sim/swarm');
const only = process.env.TORC_TEST_SIM_SEED;
const longRunMs = process.env.TORC_TEST_SIM_MS;
const BUDGET_MS = Number(longRunMs ?? 30_000);
const FEWEST_SEEDS = 10;
const MOST_SEEDS = longRunMs === undefined ? 60 : Number.POSITIVE_INFINITY;
const print = (tally: Tally, seeds: number, startMs: number): void =>
  void process.stdout.write(
    `${seeds} seeds in ${((performance.now() - startMs) / 1000).toFixed(0)} s: ${JSON.stringify(tally)}\n`,
  );
const newTally = (): Tally => ({
  faults: 0,
  failedPolls: 0,
  evacuations: 0,
  namesApartMs: 0,
  routesApartMs: 0,
  checks: 0,
});

async function runSeed(seed: number, tally: Tally): Promise<void> {
  const random = seededRandom(seed ^ 0x5eed);
  const size = {
    machines: 4 + Math.floor(random() * 6),
    managers: 3,
    slots: 4 + Math.floor(random() * 20),
    torcs: 2 + Math.floor(random() * 4),
  };
  const run = new Simulation(seed, size, tally);
  try {
    await run.run(120_000, 150_000);
  } catch (error) {
    process.stdout.write(`seed ${seed} ${JSON.stringify(size)}\n${run.trace.join('\n')}\n`);
    throw error;
  }
}

simulation('small swarms: what torc promises holds whatever happens', async () => {
  const startMs = performance.now();
  const tally = newTally();
  if (only !== undefined) return runSeed(Number(only), tally);
  let seed = 1;
  for (; seed <= MOST_SEEDS && (seed <= FEWEST_SEEDS || performance.now() - startMs < BUDGET_MS); seed++)
    await runSeed(seed, tally);
  print(tally, seed - 1, startMs);
  assert.ok(tally.failedPolls > 0 && tally.evacuations > 0, 'the faults do what they are there for');
});

(only === undefined && longRunMs === undefined ? simulation : simulation.skip)(
  '1,000 slots on 50 machines, 5 torcs',
  async () => {
    const startMs = performance.now();
    const tally = newTally();
    const run = new Simulation(1, { machines: 50, managers: 5, slots: 990, torcs: 5 }, tally);
    try {
      await run.run(30_000, 70_000);
    } catch (error) {
      process.stdout.write(`${run.trace.join('\n')}\n`);
      throw error;
    }
    print(tally, 1, startMs);
  },
);

simulation.run();
