// Replicas that an orchestrator makes on several machines: a lost machine, scaling and updates, with the whole supervisor over
// a small swarm of the test's own: it makes tasks some time after it was told, as a real one does.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver, DriverEvent, Orders, Replica, UpdateState } from '../../src/control/driver.ts';
import { judge, surveyOf } from '../../src/control/machines.ts';
import { newMember, type Slot, Slots } from '../../src/control/slots.ts';
import { isNotice, Supervisor } from '../../src/control/supervisor.ts';
import type { SnapshotMessage } from '../../src/core/types.ts';
import { Bench, SETTINGS } from './setup.ts';

const test = suite('orchestrated');

const replica = (slot: string, id: string, place: string, image = 'app:1'): Replica => ({
  id,
  slot,
  generation: 1,
  spare: false,
  status: 'running',
  host: id,
  port: 80,
  label: id,
  image,
  place: { id: place, name: place },
});

// The pure decision.

/** "n1 3": a ready replica at n1 that has missed 3; "refused" as often; "new": never ready; "old": no answer since the others' first miss. */
function slotsOf(texts: readonly string[]): Slot[] {
  const slots = new Slots();
  texts.forEach((text, index) => {
    const [place = '', misses = '0', how = ''] = text.split(' ');
    const slot = slots.add(`${index}`, { atMs: 0, cause: '', source: 'supervisor' }, false);
    const member = newMember(replica(slot.name, `r${index}`, place), 0, 0);
    slot.member = member;
    member.state = how === 'new' ? 'starting' : 'ready';
    member.readySinceMs = how === 'new' ? null : 0;
    member.missesInRow = Number(misses);
    member.refusalsInRow = how === 'refused' ? Number(misses) : 0;
    member.silentSinceMs = Number(misses) > 0 ? 1_000 : null;
    member.aliveMs = how === 'old' ? 999 : 1_000;
  });
  return slots.serving();
}

const table: [name: string, slots: string[], lost: string][] = [
  ['all are well', ['n1 0', 'n2 0'], ''],
  ['all of one machine are silent', ['n1 2', 'n1 3', 'n2 0', 'n3 0'], 'n1'],
  ['one of its replicas answers', ['n1 2', 'n1 0', 'n2 0', 'n3 0'], ''],
  ['one has missed enough, the others have missed too', ['n1 2', 'n1 1', 'n2 0'], 'n1'],
  ['one miss each is not enough', ['n1 1', 'n1 1', 'n2 0'], ''],
  ['nobody else has answered since', ['n1 2', 'n1 1', 'n2 0 old', 'n3 0 old'], ''],
  ['only one of three others has answered since', ['n1 2', 'n2 0', 'n3 0 old', 'n4 0 old'], ''],
  ['who refuses is there', ['n1 2', 'n1 2 refused', 'n2 0'], ''],
  ['one that was never ready says nothing', ['n1 2', 'n1 0 new', 'n2 0'], 'n1'],
  ['nor do those alone', ['n1 9 new', 'n2 0'], ''],
  ['two of four', ['n1 2', 'n2 2', 'n3 0', 'n4 0'], 'n1,n2'],
  ['more are silent than well: it may be this one', ['n1 2', 'n2 2', 'n3 0'], ''],
  ['all are silent', ['n1 2', 'n2 2'], ''],
  ['none is', [], ''],
];
for (const [name, slots, lost] of table)
  test(`a lost machine: ${name}`, () => {
    assert.is(
      judge(surveyOf(slotsOf(slots)), 2)
        .silent.map(({ id }) => id)
        .join(),
      lost,
    );
  });

// The whole.

class Swarm {
  readonly bench = new Bench();
  tasks: Replica[] = [];
  readonly offMachines = new Set<string>();
  readonly hung = new Set<string>();
  readonly notices: string[] = [];
  readonly published: SnapshotMessage[] = [];
  readonly evacuated: string[] = [];
  /** No machine is reached at its own port. */
  isBarred = false;
  askedCount = 0;
  /** The first heartbeat. */
  missedAtMs = 0;
  evacuatedAtMs = 0;
  /** What the orchestrator answers to an evacuation. */
  evacuation: () => string | null = () => null;
  update: UpdateState | null = null;
  undoCount = 0;
  /** New tasks are well. */
  makesWell = true;
  made = 0;
  readonly torc: Supervisor;

  constructor() {
    const { clock } = this.bench;
    const orders: Orders = {
      scale: async by => {
        clock.after(1_000, () => this.#scale(by));
        return this.tasks.length + by;
      },
      update: async version => {
        this.update = { state: 'running', startedAt: `${clock.nowMs()}`, message: 'in progress' };
        for (const [index, { slot }] of [...this.tasks].entries())
          clock.after(1_000 * (index + 1), () => this.#updateSlot(slot, version));
      },
      undo: async () => {
        this.undoCount++;
      },
      updateState: () => this.update,
      weigh: async (slot, weight) => {
        clock.after(400, () => {
          this.tasks = this.tasks.map(task => (task.slot === slot ? { ...task, weight: weight ?? 1 } : task));
        });
      },
      isSilent: async ({ id }, withinMs) => {
        this.askedCount++;
        const isSilent = this.isBarred || this.offMachines.has(id);
        if (isSilent) await new Promise<void>(resolve => clock.after(withinMs, resolve));
        return isSilent;
      },
      evacuate: async ({ id }) => {
        this.evacuated.push(id);
        this.evacuatedAtMs = clock.nowMs();
        const refusal = this.evacuation();
        if (refusal === null) clock.after(1_000, () => this.#move(id));
        return refusal;
      },
    };
    const driver: Driver = {
      name: 'swarm',
      creates: false,
      givenBy: 'TORC_SERVICE',
      observeEveryMs: 500,
      orders,
      open: async (_onEvent: (event: DriverEvent) => void) => {},
      list: async () => [...this.tasks],
      start: () => Promise.reject(new Error('nothing is made')),
      stop: async () => {},
      close: async () => {},
    };
    this.torc = new Supervisor({
      driver,
      probe: async ({ id, place }, _question, timeoutMs) => {
        if (!this.offMachines.has(place!.id) && !this.hung.has(id))
          return { alive: true, got: 'answer', status: 200, detail: '200' };
        await new Promise<void>(resolve => clock.after(timeoutMs, resolve));
        if (this.missedAtMs === 0) this.missedAtMs = clock.nowMs();
        return { alive: false, got: 'nothing', status: 0, detail: 'no answer' };
      },
      clock,
      random: this.bench.world.random,
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: text => assert.unreachable(`${text}`) },
      dataPlane: {
        signs: async () => ({ reads: 0, answers: 0 }),
        publish: snapshot => this.published.push(snapshot),
        drained: async () => true,
      },
      settings: () => SETTINGS,
    });
    this.torc.subscribe(event => {
      if (isNotice(event)) this.notices.push(event.text);
    });
  }

  static async of(...tasks: Replica[]): Promise<Swarm> {
    const swarm = new Swarm();
    swarm.tasks = tasks;
    void swarm.torc.start();
    await swarm.pass(2_000);
    return swarm;
  }

  pass(ms: number): Promise<void> {
    return this.bench.pass(ms);
  }

  newTask(slot: string, place: string, image?: string): Replica {
    const made = replica(slot, `made-${++this.made}`, place, image);
    if (!this.makesWell) this.hung.add(made.id);
    return made;
  }

  #move(from: string): void {
    this.tasks = this.tasks.map(task => (task.place!.id === from ? this.newTask(task.slot, 'n3') : task));
  }

  #scale(by: number): void {
    for (let number = 1; by > 0; number++)
      if (!this.tasks.some(({ slot }) => slot === `${number}`)) {
        this.tasks.push(this.newTask(`${number}`, 'n3'));
        by--;
      }
    this.tasks.sort((a, b) => Number(a.slot) - Number(b.slot));
    // Not the highest: as a real one, from the machine with the most.
    if (by < 0) this.tasks.splice(1, -by);
  }

  /** Start-first: both are listed for a moment. */
  #updateSlot(slot: string, version: string): void {
    const next = { ...this.newTask(slot, 'n3', version), generation: 2 };
    this.tasks.push(next);
    this.bench.clock.after(700, () => {
      this.tasks = this.tasks.filter(task => task.slot !== slot || task.id === next.id);
      const isDone = this.tasks.every(({ image }) => image === version);
      if (isDone) this.update = { ...this.update!, state: 'completed', message: 'update completed' };
    });
  }

  /** "1 a": what is in routing, ready. */
  routed(): string[] {
    const { upstreams } = this.torc.snapshot();
    return upstreams
      .filter(({ state }) => state === 'ready')
      .map(({ slot, replicaId }) => `${slot} ${replicaId}`)
      .sort();
  }
}

const three = (): Replica[] => [
  replica('1', 'a', 'n1'),
  replica('2', 'b', 'n2'),
  replica('3', 'c', 'n2'),
  replica('4', 'd', 'n3'),
];

test('a machine is lost: what waits there is tried elsewhere, its tasks are made elsewhere, in their slots', async () => {
  const swarm = await Swarm.of(...three());
  assert.equal(swarm.routed(), ['1 a', '2 b', '3 c', '4 d']);
  const names = swarm.torc.names();
  swarm.offMachines.add('n2');
  const before = swarm.published.length;
  for (let i = 0; i < 40 && swarm.evacuated.length === 0; i++) await swarm.pass(100);
  assert.equal(swarm.routed(), ['1 a', '4 d']);
  const lost = swarm.published.slice(before).flatMap(snapshot => snapshot.lost);
  assert.equal([...new Set(lost)].sort(), ['b', 'c'], 'workers are told');
  assert.equal(swarm.evacuated, ['n2'], 'once');
  await swarm.pass(2_000);
  assert.equal(swarm.routed(), ['1 a', '2 made-1', '3 made-2', '4 d']);
  assert.is(swarm.evacuated.length, 1);
  assert.equal(swarm.torc.names(), names);
});

test('however its heartbeats fall: lost with the second miss of the first one that misses', async () => {
  for (let phaseMs = 0; phaseMs < 1_000; phaseMs += 125) {
    const swarm = await Swarm.of(...three());
    await swarm.pass(phaseMs);
    swarm.offMachines.add('n2');
    await swarm.pass(3_000);
    assert.equal(swarm.evacuated, ['n2'], `${phaseMs} ms into the interval`);
    const afterMs = swarm.evacuatedAtMs - swarm.missedAtMs;
    assert.ok(afterMs <= SETTINGS.heartbeatTimeoutMs + 10, `${phaseMs}: ${afterMs} ms after the first miss`);
  }
});

test('all of one machine hang while it answers: another that is lost is lost all the same', async () => {
  const swarm = await Swarm.of(...three(), replica('5', 'e', 'n4'));
  swarm.hung.add('a');
  await swarm.pass(3_000);
  swarm.offMachines.add('n4');
  await swarm.pass(2_050);
  assert.equal(swarm.evacuated, ['n4']);
  assert.equal(swarm.routed(), ['2 b', '3 c', '4 d']);
});

test('a machine that is asked in vain is not asked all the time', async () => {
  const swarm = await Swarm.of(...three());
  // Torc may not reach that port, and a program hangs.
  swarm.hung.add('b');
  swarm.isBarred = true;
  await swarm.pass(30_000);
  assert.ok(swarm.askedCount > 3 && swarm.askedCount < 15, `${swarm.askedCount} times`);
  assert.equal(swarm.evacuated, []);
  assert.equal(swarm.routed(), ['1 a', '3 c', '4 d']);
});

test('one replica hangs, its machine answers: it is out, and nothing is lost or moved', async () => {
  const swarm = await Swarm.of(...three());
  swarm.hung.add('a');
  await swarm.pass(30_000);
  assert.equal(swarm.routed(), ['2 b', '3 c', '4 d']);
  assert.equal(swarm.evacuated, []);
  swarm.hung.delete('a');
  await swarm.pass(2_000);
  assert.equal(swarm.routed(), ['1 a', '2 b', '3 c', '4 d']);
});

test('torc itself is cut off: it moves nothing', async () => {
  const swarm = await Swarm.of(...three());
  for (const machine of ['n1', 'n2', 'n3']) swarm.offMachines.add(machine);
  await swarm.pass(60_000);
  assert.equal(swarm.evacuated, []);
  swarm.offMachines.clear();
  await swarm.pass(3_000);
  assert.equal(swarm.routed(), ['1 a', '2 b', '3 c', '4 d']);
});

test('the swarm has no leader: tried until it is written', async () => {
  const swarm = await Swarm.of(...three());
  swarm.evacuation = () => {
    if (swarm.evacuated.length < 4) throw new Error('the swarm does not have a leader');
    return null;
  };
  swarm.offMachines.add('n2');
  await swarm.pass(12_000);
  assert.is(swarm.evacuated.length, 4);
  assert.equal(swarm.routed(), ['1 a', '2 made-1', '3 made-2', '4 d']);
  const told = swarm.notices.filter(text => text.includes('cannot be moved yet'));
  assert.equal(
    told,
    ['what ran on machine n2 cannot be moved yet: the swarm does not have a leader'],
    'told once',
  );
});

test('a lost machine answers again: its replicas are proven and back', async () => {
  const swarm = await Swarm.of(...three());
  swarm.evacuation = () => 'another node was evacuated within this minute';
  swarm.offMachines.add('n2');
  await swarm.pass(5_000);
  assert.equal(swarm.routed(), ['1 a', '4 d']);
  assert.is(swarm.torc.slots()[1]?.state, 'dead', 'what is listed on a lost machine is not taken');
  swarm.offMachines.delete('n2');
  await swarm.pass(3_000);
  assert.equal(swarm.routed(), ['1 a', '2 b', '3 c', '4 d']);
});

const outcomeOf = <T>(promise: Promise<T>): { value: T | null } => {
  const held: { value: T | null } = { value: null };
  void promise.then(value => {
    held.value = value;
  });
  return held;
};

test('/add waits until they are ready, and takes them back where they are not', async () => {
  const swarm = await Swarm.of(...three());
  const added = outcomeOf(swarm.torc.add({ count: 2, names: [] }));
  await swarm.pass(900);
  assert.is(added.value, null);
  await swarm.pass(1_500);
  assert.equal(added.value, { ok: true });
  assert.equal(swarm.torc.names(), ['1', '2', '3', '4', '5', '6']);
  swarm.makesWell = false;
  const failed = outcomeOf(swarm.torc.add({ count: 1, names: [] }));
  await swarm.pass(70_000);
  assert.is(failed.value?.ok, false);
  assert.match(
    (failed.value as { message: string }).message,
    'it was taken back: slot 7: no heartbeat answered yet',
  );
  assert.is(swarm.tasks.length, 6);
});

test('/rm waits until as many have gone, whichever; names are refused with the reason', async () => {
  const swarm = await Swarm.of(...three());
  const removed = outcomeOf(swarm.torc.remove({ count: 2, names: [] }));
  await swarm.pass(500);
  assert.is(removed.value, null);
  await swarm.pass(2_000);
  assert.equal(removed.value, { ok: true });
  assert.equal(swarm.torc.names(), ['1', '4'], 'a gap, and the others are who they were');
  for (const call of ['add', 'remove'] as const) {
    const refused = await swarm.torc[call]({ count: 1, names: ['1'] });
    assert.is(!refused.ok && refused.status, 409, call);
    assert.match((refused as { message: string }).message, /Swarm (numbers|chooses)/);
  }
});

test('a weight is said to the orchestrator, and in force when a list has it; what others say is told', async () => {
  const swarm = await Swarm.of(...three());
  const weights = (): string =>
    swarm.torc
      .slots()
      .map(({ weight }) => weight)
      .join(' ');
  const said = outcomeOf(swarm.torc.setWeight('2', 3));
  await swarm.pass(300);
  assert.equal([said.value, weights()], [null, '1 1 1 1']);
  await swarm.pass(1_000);
  assert.equal([said.value, weights()], [{ ok: true }, '1 3 1 1']);
  swarm.tasks = swarm.tasks.map(task => (task.slot === '4' ? { ...task, weight: 0 } : task));
  await swarm.pass(1_000);
  assert.is(weights(), '1 3 1 0', "another torc's word");
  assert.equal(
    swarm.notices.filter(text => text.includes('weight')),
    [
      'slot 2 has the weight 3 instead of 1',
      'slot 4 has the weight 0 instead of 1: it is drained, its keys go to their next choices',
    ],
  );
  const back = outcomeOf(swarm.torc.setWeight('2', null));
  await swarm.pass(1_500);
  assert.equal([back.value, weights()], [{ ok: true }, '1 1 1 0']);
  const refused = await swarm.torc.setWeight('9', 2);
  assert.match((refused as { message: string }).message, 'there is no slot 9');
});

test("an update is Swarm's own: the new one is proven beside the old, and each slot is told", async () => {
  const swarm = await Swarm.of(...three());
  const rolled = outcomeOf(swarm.torc.rollout('app:2'));
  for (let i = 0; i < 80; i++) {
    await swarm.pass(100);
    assert.is(swarm.routed().length, 4, 'no slot is ever without');
  }
  assert.equal(rolled.value, { ok: true });
  assert.equal(swarm.torc.rolloutView()?.done, ['1', '2', '3', '4']);
  assert.ok(swarm.notices.includes('slot 2 runs app:2: 2 of 4'));
  assert.is(swarm.notices.at(-1), 'the update to app:2 has succeeded');
});

test('Swarm takes an update back: it has stopped, with its reason', async () => {
  const swarm = await Swarm.of(...three());
  const old: UpdateState = { state: 'stopped', startedAt: 'before', message: 'an old one' };
  swarm.update = old;
  const rolled = outcomeOf(swarm.torc.rollout('app:2'));
  await swarm.pass(100);
  // A list that was read before the write.
  swarm.update = old;
  await swarm.pass(1_400);
  assert.is(rolled.value, null, 'what an earlier one came to says nothing');
  swarm.update = { state: 'stopped', startedAt: 'now', message: 'task failed' };
  await swarm.pass(1_000);
  assert.equal(rolled.value, { ok: false, status: 503, message: 'task failed' });
  assert.is(swarm.torc.rolloutView()?.state, 'stopped');
});

test('an operator stops an update: it is taken back whole', async () => {
  const swarm = await Swarm.of(...three());
  const rolled = outcomeOf(swarm.torc.rollout('app:2'));
  await swarm.pass(1_600);
  assert.equal(swarm.torc.stopRollout('enough'), { ok: true });
  await swarm.pass(100);
  assert.is(swarm.undoCount, 1);
  assert.is(rolled.value?.ok, false);
});

test.run();
