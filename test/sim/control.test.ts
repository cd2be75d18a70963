// The control plane against a machine that does its worst, from one seed each: deaths, hangs, slow, mute and failing
// starts, crash loops, an engine that goes away, events lost, doubled and late, /add and /rm, roll-outs of good and bad
// versions, autoscaling, stalls of torc itself and its death. After every timer the invariants are checked; at the end the
// faults stop, N must come back, and an exit leave nothing. 1,000 seeds, or as many as 45 s hold, but 200 at least.
//   TORC_TEST_SIM_SEED=n           one seed again        TORC_TEST_SIM_MS=600000      a long run, of any number of seeds
// The starting seed of a plain run is fixed: a red run is red again.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Autoscaler } from '../../src/control/autoscale.ts';
import { type ControlEvent, isNotice, type Outcome, Supervisor } from '../../src/control/supervisor.ts';
import type { Clock } from '../../src/core/clock.ts';
import { type Log, silentLog } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SETTINGS } from '../control/setup.ts';
import { advance, FakeClock, flush } from './clock.ts';
import { CALM, type Container, World } from './world.ts';

const CHAOS_MS = 60_000;
/** A backoff at its cap (30 s), a mute start (30 s), and what it takes to start. */
const RECOVERY_MS = 90_000;
/** Eight slots, each with a start and a drain. */
const ROLLOUT_MS = 300_000;
const longRunMs = process.env.TORC_TEST_SIM_MS;
const BUDGET_MS = Number(longRunMs ?? 45_000);
const FEWEST_SEEDS = longRunMs === undefined ? 200 : 1;
const MOST_SEEDS = longRunMs === undefined ? 1_000 : Number.POSITIVE_INFINITY;
const VERSIONS = ['good', 'good', 'good', 'mute', 'short', 'missing'];

interface Tally {
  seedCount: number;
  deathCount: number;
  readyCount: number;
  publishCount: number;
  crashCount: number;
  rolloutCount: number;
  replacedCount: number;
  scaleCount: number;
}

class Simulation {
  readonly world: World;
  readonly clock = new FakeClock();
  readonly spares: number;
  torc: Supervisor;
  #joiningCount = 0;
  #removingCount = 0;
  #replacingCount = 0;
  #lastEpoch = 0;
  #seen = 0;
  #unjust: string | null = null;
  #autoscaler: Autoscaler | null = null;
  readonly #isScaled: boolean;
  #inFlight = 30;
  /** Old replicas that a roll-out has swapped out and that still run. */
  readonly #swappedOut = new Set<string>();
  readonly #tally: Tally;
  readonly #calls = new Set<Promise<unknown>>();
  readonly trace: string[] = [];

  constructor(seed: number, tally: Tally) {
    this.world = new World(this.clock, seededRandom(seed));
    this.#tally = tally;
    this.spares = this.world.happens(0.4) ? 1 + Math.floor(this.world.between(0, 2)) : 0;
    this.#isScaled = this.world.happens(0.3);
    this.world.onTold = replicaId => this.#checkNotRouted(replicaId);
    this.torc = this.#newTorc(3);
  }

  #newTorc(replicas: number): Supervisor {
    const { world } = this;
    this.#lastEpoch = 0;
    this.#seen = 0;
    this.#swappedOut.clear();
    this.#autoscaler?.close();
    const surroundings = world.newRun();
    const torc = new Supervisor({
      ...surroundings,
      random: world.random,
      log: this.#log(),
      settings: () => ({ ...SETTINGS, replicas, spares: this.spares }),
    });
    torc.subscribe(event => {
      if (torc !== this.torc) return;
      if (isNotice(event)) this.say(`${event.topic}: ${event.text}`);
      else this.#onEvent(event);
    });
    if (this.#isScaled) this.#autoscale(torc, surroundings.clock);
    return torc;
  }

  #autoscale(torc: Supervisor, clock: Clock): void {
    this.#autoscaler = new Autoscaler({
      scalable: {
        names: () => torc.names(),
        announce: (topic, text) => torc.announce(topic, text),
        add: ({ count }) => this.#tracked('joining', torc, count, torc.add({ count, names: [] })),
        remove: ({ count }) => this.#tracked('removing', torc, count, torc.remove({ count, names: [] })),
      },
      load: {
        inFlight: async () => {
          this.#inFlight = Math.min(90, Math.max(0, this.#inFlight + this.world.between(-5, 5)));
          return this.#inFlight;
        },
      },
      clock,
      bounds: { least: 2, most: 8, target: 10 },
      periodMs: 3_000,
      downWindowMs: 10_000,
    });
    void this.#autoscaler.run();
  }

  /** Counts replicas that may be there beyond the listed ones until the call ends. */
  async #tracked(
    what: 'joining' | 'removing',
    torc: Supervisor,
    count: number,
    call: Promise<Outcome>,
  ): Promise<Outcome> {
    this.#tally.scaleCount++;
    const add = (change: number): void => {
      if (torc !== this.torc) return;
      if (what === 'joining') this.#joiningCount += change;
      else this.#removingCount += change;
    };
    add(count);
    const outcome = await call;
    add(-count);
    return outcome;
  }

  #log(): Log {
    const say = (_fields: object, message: string): void => this.say(message);
    return { ...silentLog, info: say, warn: say, error: say };
  }

  say(text: string): void {
    this.trace.push(`${this.clock.nowMs().toFixed(0)} ${text}`);
    if (this.trace.length > 60) this.trace.shift();
  }

  // Invariants.

  readonly check = (): void => {
    this.checkRouting();
    const allowed =
      this.torc.names().length +
      this.#joiningCount +
      this.#removingCount +
      this.spares +
      (this.torc.rolloutView()?.state === 'running' ? 1 : 0) +
      this.#replacingCount +
      this.torc.leavingCount();
    const counted = this.world.running().filter(container => !container.stray).length;
    assert.ok(counted <= allowed, `${counted} replicas run, ${allowed} may`);
    if (this.torc.rolloutView()?.now) assert.equal([...this.#swappedOut], [], 'the next slot came too soon');
  };

  readonly checkRouting = (): void => {
    assert.is(this.#unjust, null, this.#unjust ?? '');
    const { published } = this.world;
    for (; this.#seen < published.length; this.#seen++) {
      const snapshot = published[this.#seen]!;
      assert.ok(snapshot.epoch > this.#lastEpoch, `epoch ${snapshot.epoch} after ${this.#lastEpoch}`);
      this.#lastEpoch = snapshot.epoch;
      this.#tally.publishCount++;
      const { upstreams } = snapshot;
      assert.is(
        new Set(upstreams.map(each => each.slot)).size,
        upstreams.length,
        'two replicas of one slot in routing',
      );
      assert.is(
        new Set(upstreams.map(each => each.replicaId)).size,
        upstreams.length,
        'one replica twice in routing',
      );
      for (const { replicaId, state } of upstreams) {
        assert.ok(state === 'ready' || state === 'suspect', `${replicaId} is ${state} in routing`);
        assert.not(this.world.told.has(replicaId), `${replicaId} was told dead and is in routing again`);
      }
    }
  };

  #checkNotRouted(replicaId: string): void {
    const routed = this.torc.snapshot().upstreams.some(each => each.replicaId === replicaId);
    assert.not(routed, `${replicaId} is in routing after the tick of its event`);
  }

  #onEvent(event: ControlEvent): void {
    this.say(
      `${event.slot} ${event.replicaId}: ${event.from} -> ${event.to} (${event.source}: ${event.cause})`,
    );
    if (event.to === 'ready') this.#tally.readyCount++;
    if (event.to === 'draining' && event.cause.startsWith('rolled out'))
      this.#swappedOut.add(event.replicaId);
    if (event.to === 'dead') this.#swappedOut.delete(event.replicaId);
    if (event.to !== 'dead' || event.source === 'operator' || event.from === 'draining') return;
    this.#tally.deathCount++;
    const container = this.world.containers.get(event.replicaId);
    // Not thrown here: a listener's error is the journal's to catch.
    if (container && !container.harmed)
      this.#unjust ??= `${event.replicaId} was declared dead without reason: ${event.cause}`;
  }

  // Faults.

  async run(): Promise<void> {
    const { world } = this;
    world.chances = {
      startFails: world.between(0, 0.3),
      startMute: world.between(0, 0.05),
      startShort: world.between(0, 0.1),
      eventLost: world.between(0, 0.2),
      eventTwice: 0.1,
      eventLateMs: 200,
    };
    this.#call(this.torc.start());
    while (this.clock.nowMs() < CHAOS_MS) {
      await advance(this.clock, world.between(50, 2_000), this.check);
      await this.#fault();
      this.check();
    }
    await this.#recover();
    await this.#exit();
  }

  async #fault(): Promise<void> {
    const { world } = this;
    const roll = world.random();
    const victim = this.#pick();
    if (roll < 0.25 && victim) this.#harm(victim, 'is killed', () => world.kill(victim));
    else if (roll < 0.35 && victim) this.#harm(victim, 'is terminated', () => world.terminate(victim));
    else if (roll < 0.45 && victim)
      this.#harm(victim, 'hangs', () => Object.assign(victim, { hung: true, harmed: true }));
    else if (roll < 0.5 && victim) this.#keepBusy(victim);
    else if (roll < 0.55) this.#engineGoes();
    else if (roll < 0.6) await this.#stall();
    else if (roll < 0.7) this.#add();
    else if (roll < 0.8) this.#remove();
    else if (roll < 0.83) this.#rollout();
    else if (roll < 0.85) this.#replace();
    else if (roll < 0.86) this.torc.stopRollout('somebody asked for it');
    else if (roll < 0.9 && victim) this.#complain(victim);
    else if (roll < 0.92 && !world.isAway) await this.#crash();
    else if (victim)
      world.tell({
        kind: world.happens(0.5) ? 'changed' : 'unhealthy',
        replicaId: victim.id,
        cause: 'a rumour',
      });
  }

  #pick(): Container | undefined {
    const running = this.world.running();
    return running[Math.floor(this.world.random() * running.length)];
  }

  #harm(victim: Container, how: string, act: () => void): void {
    this.say(`-- ${victim.id} ${how}`);
    act();
  }

  /** Nobody may end it for that: it answers again before it is dead, or sends meanwhile. */
  #keepBusy(victim: Container): void {
    // Two such times without an answer between them would be one.
    if (victim.busyUntilMs + 2 * SETTINGS.heartbeatIntervalMs > this.clock.nowMs()) return;
    victim.sends = this.world.happens(0.5);
    const longestMs = victim.sends ? 25_000 : SETTINGS.deadAfterMs - 1;
    const ms = this.world.between(500, longestMs);
    this.say(`-- ${victim.id} is busy for ${ms.toFixed(0)} ms${victim.sends ? ', and sends' : ''}`);
    victim.busyUntilMs = this.clock.nowMs() + ms;
  }

  #engineGoes(): void {
    if (this.world.isAway) return;
    this.say('-- the engine goes away');
    this.world.isAway = true;
    this.clock.after(this.world.between(500, 15_000), () => {
      this.say('-- the engine is back');
      this.world.isAway = false;
      this.world.tell({ kind: 'resync', cause: 'the stream was cut' });
    });
  }

  /** A stall alone rarely meets a question that is out; some in a row do. */
  async #stall(): Promise<void> {
    const count = Math.ceil(this.world.between(0, 10));
    this.say(`-- torc stalls ${count} times`);
    for (let i = 0; i < count; i++) {
      this.clock.stall(this.world.between(100, 4_000));
      await advance(this.clock, this.world.between(0, 10), this.check);
    }
  }

  #add(): void {
    const count = 1 + Math.floor(this.world.between(0, 2));
    if (this.torc.names().length + this.#joiningCount + count > 8) return;
    this.say(`-- add ${count}`);
    this.#joiningCount += count;
    const { torc } = this;
    this.#call(
      torc.add({ count, names: [] }).then(outcome => {
        if (torc !== this.torc) return;
        this.#joiningCount -= count;
        this.say(`-- added: ${JSON.stringify(outcome)}`);
      }),
    );
  }

  #remove(): void {
    const names = this.torc.names();
    if (names.length <= 1) return;
    const name = names[Math.floor(this.world.random() * names.length)]!;
    this.say(`-- remove ${name}`);
    this.#removingCount++;
    const { torc } = this;
    this.#call(
      torc.remove({ count: 1, names: [name] }).then(() => {
        if (torc === this.torc) this.#removingCount--;
      }),
    );
    assert.not(this.torc.names().includes(name), 'a removed slot is still listed');
  }

  #replace(): void {
    const names = this.torc.names();
    const name = names[Math.floor(this.world.random() * names.length)]!;
    this.say(`-- replace ${name}`);
    this.#replacingCount++;
    const { torc } = this;
    this.#call(
      torc.replace(name).then(outcome => {
        if (torc !== this.torc) return;
        this.#replacingCount--;
        if (outcome.ok) this.#tally.replacedCount++;
        this.say(`-- replaced: ${JSON.stringify(outcome)}`);
      }),
    );
  }

  #rollout(): void {
    const kind = VERSIONS[Math.floor(this.world.random() * VERSIONS.length)]!;
    this.say(`-- roll-out of ${kind}-${++this.#tally.rolloutCount}`);
    const wasRunning = this.torc.rolloutView()?.state === 'running';
    this.#call(
      this.torc.rollout(`${kind}-${this.#tally.rolloutCount}`).then(outcome => {
        assert.not(
          outcome.ok && (wasRunning || kind === 'mute' || kind === 'missing'),
          `a ${kind} roll-out succeeded`,
        );
      }),
    );
  }

  #complain(victim: Container): void {
    const cause = this.world.happens(0.5) ? 'reset' : 'timeout';
    if (this.world.happens(0.3)) this.world.answers++;
    for (let inRow = 4; inRow < 8; inRow++)
      this.torc.hint({ slot: victim.slot, replicaId: victim.id, cause, detail: 'a worker saw it', inRow });
  }

  /** SIGKILL of torc: its containers stay, a new one adopts them, and none that is well is touched. */
  async #crash(): Promise<void> {
    this.say('-- torc is killed');
    this.#tally.crashCount++;
    this.#joiningCount = 0;
    this.#replacingCount = 0;
    this.#removingCount = 0;
    this.#calls.clear();
    this.world.newRun();
    await advance(this.clock, 600);
    // The new one's workers read nothing of it: whom it adopts has to answer.
    const latestMs = this.clock.nowMs() + SETTINGS.deadAfterMs - 2_000;
    for (const each of this.world.running()) each.busyUntilMs = Math.min(each.busyUntilMs, latestMs);
    const left = this.world.running();
    const newest = new Map<string, Container>();
    for (const container of left.filter(each => !each.spare)) {
      const known = newest.get(container.slot);
      if (!known || known.generation < container.generation) newest.set(container.slot, container);
    }
    this.torc = this.#newTorc(3);
    this.#call(this.torc.start());
    await advance(this.clock, 1_500, this.checkRouting);
    const adopted = [...this.torc.slots(), ...this.torc.spares()].map(slot => slot.replicaId);
    for (const { id, harmed } of newest.values())
      assert.ok(harmed || adopted.includes(id), `${id} was not adopted`);
    // Doubles and what was half started are cleared away some time.
    for (const container of left) container.stray = !adopted.includes(container.id);
  }

  #call(call: Promise<unknown>): void {
    this.#calls.add(call);
    void call.finally(() => this.#calls.delete(call));
  }

  // The end.

  async #recover(): Promise<void> {
    this.say('-- the faults stop');
    this.world.chances = CALM;
    this.world.isAway = false;
    this.#autoscaler?.close();
    await advance(this.clock, RECOVERY_MS, this.check);
    for (let ms = 0; ms < ROLLOUT_MS && this.torc.rolloutView()?.state === 'running'; ms += 1_000)
      await advance(this.clock, 1_000, this.check);
    const slots = this.torc.slots();
    const names = this.torc.names();
    assert.ok(slots.length >= 1, 'no slot is left');
    assert.equal(
      slots.filter(slot => slot.state !== 'ready').map(slot => slot.name),
      [],
      'slots that did not come back',
    );
    assert.equal(
      this.torc.spares().map(spare => spare.state),
      new Array(this.spares).fill('ready'),
    );
    const running = this.world.running();
    assert.is(running.length, names.length + this.spares, 'replicas that nobody knows');
    assert.is(running.filter(each => each.hung).length, 0, 'a hung replica is left');
    assert.is(this.world.containers.size, running.length, 'dead replicas were not cleared away');
    assert.equal(
      this.torc
        .snapshot()
        .upstreams.map(each => each.slot)
        .sort(),
      [...names].sort(),
    );
    assert.is(this.#joiningCount, 0, 'an /add never ended');
    assert.is(this.#replacingCount, 0, 'a replacement never ended');
    this.#checkVersions();
  }

  /** A roll-out that succeeded left nothing of another version behind, and it ended in any case. */
  #checkVersions(): void {
    const rollout = this.torc.rolloutView();
    assert.is.not(rollout?.state, 'running', 'a roll-out never ended');
    if (rollout?.state !== 'succeeded') return;
    const versions = new Set(this.world.running().map(each => each.version));
    assert.equal([...versions], [rollout.version], 'another version runs after a roll-out');
  }

  async #exit(): Promise<void> {
    let isOver = false;
    // In the middle of something, as exits are.
    if (this.world.happens(0.5)) this.#add();
    const victim = this.#pick();
    if (victim && this.world.happens(0.5)) this.world.kill(victim);
    await advance(this.clock, this.world.between(0, 300));
    // Workers have ended before: what is stopped now is in nobody's routing.
    this.world.onTold = () => {};
    void this.torc.stop({ remove: true }).then(() => {
      isOver = true;
    });
    await advance(this.clock, 30_000);
    assert.ok(isOver, 'the exit did not end');
    assert.is(this.world.containers.size, 0, 'the exit left replicas behind');
    await flush();
    assert.is(this.#calls.size, 0, 'a call never ended');
  }
}

const sim = suite('simulation of the control plane');

sim('keeps its invariants', async () => {
  const only = process.env.TORC_TEST_SIM_SEED;
  const untilMs = performance.now() + BUDGET_MS;
  const tally: Tally = {
    seedCount: 0,
    deathCount: 0,
    readyCount: 0,
    publishCount: 0,
    crashCount: 0,
    rolloutCount: 0,
    replacedCount: 0,
    scaleCount: 0,
  };
  let seed = only === undefined ? 1 : Number(only);
  const isEnough = (): boolean =>
    tally.seedCount >= MOST_SEEDS || (tally.seedCount >= FEWEST_SEEDS && performance.now() >= untilMs);
  do {
    const simulation = new Simulation(seed, tally);
    try {
      await simulation.run();
    } catch (error) {
      const trace = simulation.trace.join('\n');
      throw new Error(`TORC_TEST_SIM_SEED=${seed} fails: ${(error as Error).message}\n${trace}`, {
        cause: error,
      });
    }
    tally.seedCount++;
    seed++;
  } while (only === undefined && !isEnough());
  process.stdout.write(`simulated: ${JSON.stringify(tally)}\n`);
  if (only === undefined && longRunMs === undefined && tally.seedCount < MOST_SEEDS)
    process.stdout.write(
      `only ${tally.seedCount} of ${MOST_SEEDS} seeds: ${BUDGET_MS} ms hold no more here\n`,
    );
});

sim.run();
