// The supervisor as a whole, one behaviour at a time, on a machine that does only what the test says.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver } from '../../src/control/driver.ts';
import { type ControlEvent, isNotice, type Outcome, Supervisor } from '../../src/control/supervisor.ts';
import { StartError } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { CALM } from '../sim/world.ts';
import { Bench, SETTINGS } from './setup.ts';

const test = suite('supervisor');

const messageOf = (outcome: Outcome | undefined): string => (outcome?.ok === false ? outcome.message : '');

test('makes N ready, numbered, and start resolves then', async () => {
  const bench = new Bench();
  let isStarted = false;
  void bench.torc.start().then(() => {
    isStarted = true;
  });
  assert.equal(bench.torc.names(), ['1', '2', '3'], 'the slots are known before they are filled');
  await bench.pass(5_000);
  assert.ok(isStarted);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.is(bench.world.running().length, 3);
});

test('start resolves after its bound with what there is', async () => {
  const bench = new Bench();
  bench.world.chances = { ...CALM, startFails: 1 };
  let isStarted = false;
  void bench.torc.start().then(() => {
    isStarted = true;
  });
  await bench.pass(14_000);
  assert.not(isStarted);
  await bench.pass(2_000);
  assert.ok(isStarted);
  const [slot] = bench.torc.slots();
  assert.match(slot?.failing?.cause ?? '', /no such image|the start timed out/);
  assert.ok((slot?.failing?.failureCount ?? 0) > 2);
  bench.world.chances = CALM;
  await bench.pass(40_000);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready'], 'it recovers without a restart');
});

test('each failure is told with its own number, however long the engine takes for last words', async () => {
  const bench = new Bench({ replicas: 1 });
  bench.world.lastWordsMs = 4_000;
  bench.world.chances = { ...CALM, startShort: 1 };
  void bench.torc.start();
  await bench.pass(60_000);
  const numbers = bench.lines.flatMap(line => /is not filled, failure (\d+)/.exec(line)?.[1] ?? []);
  // The first was ready before: its death is told by its move.
  assert.equal(numbers.slice(0, 3), ['2', '4', '8'], bench.lines.join('\n'));
});

test('start rejects with what open rejects, and stop works after it', async () => {
  const bench = new Bench();
  bench.world.isAway = true;
  const failed = bench.torc.start().then(
    () => '',
    error => String(error),
  );
  await bench.pass(100);
  assert.match(await failed, /no engine answers/);
  void bench.torc.stop({ remove: true });
});

test('more replicas than the ring holds are refused before anything is made', () => {
  assert.throws(
    () => new Bench({ replicas: 11, ring: 'seed' }),
    (error: Error) => error instanceof StartError,
  );
});

test('a death is out of routing in the tick of its event, and replaced in the same slot', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const events: ControlEvent[] = [];
  torc.subscribe(event => {
    if (!isNotice(event)) events.push(event);
  });
  const dead = bench.of('2');
  let routedAtEvent: string[] = [];
  bench.world.onTold = () => {
    routedAtEvent = bench.routed();
  };
  const epoch = torc.snapshot().epoch;
  const checksum = torc.snapshot().checksum;
  bench.world.kill(dead);
  await bench.pass(3_000);
  assert.ok(bench.world.published.some(({ lost, gone }) => lost.includes(dead.id) && gone.includes(dead.id)));
  assert.is(routedAtEvent.length, 2);
  assert.not(routedAtEvent.some(line => line.includes(dead.id)));
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.is(torc.slots()[1]?.generation, 2);
  assert.is(torc.snapshot().checksum, checksum, 'healing does not touch the table');
  assert.ok(torc.snapshot().epoch > epoch);
  const [out, back] = events;
  assert.is(out?.source, 'event');
  assert.is(out?.cause, 'docker die, exit code 137');
  assert.is(out?.ejectedMs, 0);
  assert.ok((out?.detectedMs ?? -1) >= 0);
  assert.is(back?.to, 'ready');
  assert.ok((back?.readyMs ?? 0) > 0);
});

test('one that is asked to terminate leaves routing at once, is replaced beside, and is not stopped needlessly', async () => {
  const bench = new Bench();
  await bench.ready();
  const victim = bench.of('1');
  bench.world.tell({ kind: 'going', replicaId: victim.id, cause: 'docker kill, signal 15' });
  await bench.pass(3_000);
  assert.is(victim.status, 'running', 'it may finish what it has');
  assert.is(bench.torc.leavingCount(), 1);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.equal(bench.torc.snapshot().lost, [], 'its requests may end');
  bench.world.kill(victim);
  await bench.pass(1_000);
  assert.equal(bench.torc.snapshot().lost, [victim.id], 'what it still had is tried elsewhere');
  assert.equal(
    bench.world.published.flatMap(({ failing }) => failing),
    [],
  );
  assert.is(bench.torc.leavingCount(), 0);
  assert.not(bench.world.containers.has(victim.id), 'its remains were cleared away');
});

test('one that ignores its SIGTERM is stopped after the drain timeout', async () => {
  const bench = new Bench();
  await bench.ready();
  const victim = bench.of('1');
  bench.world.tell({ kind: 'going', replicaId: victim.id, cause: 'docker kill, signal 15' });
  await bench.pass(11_000);
  assert.not(bench.world.containers.has(victim.id));
});

test('one that hangs is lost when it is dead, and gone when it has been stopped, whatever the events say', async () => {
  const bench = new Bench();
  await bench.ready();
  const victim = bench.of('3');
  bench.world.chances = { ...CALM, eventLost: 1 };
  Object.assign(victim, { hung: true, harmed: true });
  await bench.pass(15_000);
  const { published } = bench.world;
  const lostAt = published.findIndex(({ lost }) => lost.includes(victim.id));
  const goneAt = published.findIndex(({ gone }) => gone.includes(victim.id));
  assert.ok(lostAt !== -1 && goneAt > lostAt, `lost in publish ${lostAt}, gone in ${goneAt}`);
});

test('one that hangs is found by its heartbeats and replaced', async () => {
  const bench = new Bench();
  await bench.ready();
  const victim = bench.of('3');
  Object.assign(victim, { hung: true, harmed: true });
  await bench.pass(2_100);
  assert.is(bench.states()[2], '3 suspect', 'out within an interval and two misses');
  assert.ok(bench.routed().includes(`3 ${victim.id} suspect`), 'it keeps what it works on');
  assert.equal(bench.torc.snapshot().lost, []);
  await bench.pass(7_500);
  assert.is(bench.states()[2], '3 suspect', 'not dead yet');
  await bench.pass(6_000);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.not(bench.world.containers.has(victim.id));
});

test('one that is busy leaves routing, keeps what it has, and its next answer brings it back', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const busy = bench.of('2');
  const epochs = bench.world.published.length;
  busy.busyUntilMs = bench.clock.nowMs() + 9_000;
  await bench.pass(8_900);
  assert.is(bench.states()[1], '2 suspect');
  await bench.pass(1_000);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.is(bench.of('2').id, busy.id);
  assert.is(torc.slots()[1]?.generation, 1);
  assert.equal(
    bench.world.published.slice(epochs).flatMap(({ lost, gone }) => [...lost, ...gone]),
    [],
    'nothing was moved or cut',
  );
});

test('one that sends while it answers no heartbeat lives on, and dies when it has stopped sending', async () => {
  const bench = new Bench();
  await bench.ready();
  const busy = bench.of('2');
  Object.assign(busy, { busyUntilMs: bench.clock.nowMs() + 120_000, sends: true });
  await bench.pass(60_000);
  assert.equal([bench.states()[1], bench.of('2').id], ['2 suspect', busy.id]);
  Object.assign(busy, { sends: false, harmed: true });
  await bench.pass(15_000);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.not(bench.world.containers.has(busy.id));
});

test('one that says itself that it is not well is out at once, and replaced when it stays so; it may finish', async () => {
  const bench = new Bench();
  await bench.ready();
  const ill = bench.of('2');
  Object.assign(ill, { unwell: true, harmed: true });
  await bench.pass(1_100);
  assert.is(bench.states()[1], '2 suspect', 'with the first such answer');
  await bench.pass(8_000);
  assert.is(bench.of('2').id, ill.id);
  await bench.pass(15_000);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.not(bench.world.containers.has(ill.id));
  assert.not(bench.world.published.some(({ lost }) => lost.includes(ill.id) && bench.world.told.size === 0));
});

test('when all are busy at once, half of them stay in routing', async () => {
  const bench = new Bench();
  await bench.ready();
  for (const container of bench.world.running()) container.busyUntilMs = bench.clock.nowMs() + 6_000;
  let fewest = 3;
  for (let ms = 0; ms < 8_000; ms += 50) {
    await bench.pass(50);
    fewest = Math.min(fewest, bench.states().filter(state => state.endsWith('ready')).length);
  }
  assert.is(fewest, 1);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.ok(bench.torc.slots().every(slot => slot.generation === 1));
});

test('a refused connection ejects at once; an answered heartbeat readmits the same replica', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const { id: replicaId } = bench.of('1');
  torc.hint({ slot: '1', replicaId, cause: 'refused', detail: 'connection refused', inRow: 1 });
  assert.is(bench.states()[0], '1 suspect');
  assert.ok(bench.routed().includes(`1 ${replicaId} suspect`), 'its pool stays for what is in flight');
  await bench.pass(50);
  assert.is(bench.states()[0], '1 ready');
  assert.is(bench.of('1').id, replicaId);
});

test('a refused connection and no answer to the heartbeat: replaced without waiting for an event', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const victim = bench.of('1');
  bench.world.chances = { ...CALM, eventLost: 1 };
  bench.world.kill(victim);
  torc.hint({ slot: '1', replicaId: victim.id, cause: 'refused', detail: 'connection refused', inRow: 1 });
  await bench.pass(50);
  assert.not(bench.routed().some(line => line.includes(victim.id)));
  const failing = bench.world.published.flatMap(snapshot => snapshot.failing);
  assert.ok(failing.includes(victim.id), 'it was not told to stop: what ended there may have killed it');
  await bench.pass(3_000);
  assert.is(bench.states()[0], '1 ready');
});

test('no complaint takes the last ready replica out before its heartbeat says so', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  for (const slot of ['1', '2', '3']) {
    torc.hint({ slot, replicaId: bench.of(slot).id, cause: 'reset', detail: 'connection reset', inRow: 1 });
  }
  assert.equal(bench.states(), ['1 suspect', '2 suspect', '3 ready']);
  await bench.pass(50);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
});

/** Time-outs in a row, a second apart, as a worker tells of them. */
async function complain(bench: Bench, slots: string[], between: () => void = () => {}): Promise<void> {
  for (let inRow = 1; inRow <= 6; inRow++) {
    for (const slot of slots) {
      const { id: replicaId } = bench.of(slot);
      bench.torc.hint({ slot, replicaId, cause: 'timeout', detail: 'too slow', inRow });
      between();
    }
    await bench.pass(100);
  }
}

test('many failures in a row of a replica whose heartbeats are well eject it for a time, and only one of three', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  await complain(bench, ['1']);
  const ejectedMs = bench.clock.nowMs();
  assert.equal(bench.states(), ['1 suspect', '2 ready', '3 ready']);
  await complain(bench, ['2']);
  assert.equal(bench.states(), ['1 suspect', '2 ready', '3 ready']);
  assert.is(torc.slots()[0]?.change.source, 'outlier');
  await bench.pass(ejectedMs + 4_700 - bench.clock.nowMs());
  assert.is(bench.states()[0], '1 suspect', 'answered heartbeats do not end it early');
  await bench.pass(400);
  assert.is(bench.states()[0], '1 ready');
});

test('no outlier: one that answered others in between, by whatever worker; one whose siblings are no better', async () => {
  const bench = new Bench();
  await bench.ready();
  await complain(bench, ['1'], () => bench.world.answers++);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  await bench.pass(11_000);
  await complain(bench, ['1', '2', '3']);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
});

test('hints about replicas that are gone, or of another slot, change nothing', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const before = torc.snapshot();
  torc.hint({ slot: '1', replicaId: 'c99', cause: 'refused', detail: '', inRow: 1 });
  torc.hint({ slot: '2', replicaId: bench.of('1').id, cause: 'refused', detail: '', inRow: 1 });
  assert.is(torc.snapshot(), before);
});

test('a spare is promoted in one publish, and refilled behind it', async () => {
  const bench = new Bench({ spares: 1 });
  const torc = await bench.ready();
  assert.is(torc.spares()[0]?.state, 'ready');
  const spareId = torc.spares()[0]?.replicaId ?? '';
  assert.not(
    bench.routed().some(line => line.includes(spareId)),
    'a spare is in no routing',
  );
  const events: ControlEvent[] = [];
  torc.subscribe(event => {
    if (!isNotice(event)) events.push(event);
  });
  const count = bench.world.published.length;
  bench.world.kill(bench.of('2'));
  await bench.pass(250);
  assert.is(bench.world.published.length, count + 1);
  assert.is(torc.slots()[1]?.replicaId, spareId);
  assert.is(events.find(event => event.to === 'ready')?.readyMs, 0);
  await bench.pass(4_000);
  assert.is(torc.spares()[0]?.state, 'ready');
  assert.is(bench.world.containers.get(spareId)?.spare, false, 'the driver knows');
  assert.is(bench.world.running().length, 4);
});

test('add resolves when all answer, and all join in one publish', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  let outcome: Outcome | undefined;
  void torc.add({ count: 2, names: ['web'] }).then(result => {
    outcome = result;
  });
  await bench.pass(50);
  assert.is(outcome, undefined);
  assert.equal(torc.names(), ['1', '2', '3'], 'not listed before it is proven');
  const { tableVersion } = torc.snapshot();
  await bench.pass(5_000);
  assert.equal(outcome, { ok: true });
  assert.equal(torc.names(), ['1', '2', '3', 'web', '4']);
  assert.is(torc.snapshot().tableVersion, tableVersion + 1);
  assert.is(torc.snapshot().upstreams.length, 5);
});

test('an add that fails is undone whole and says why', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const before = torc.snapshot();
  bench.world.chances = { ...CALM, startFails: 1 };
  let outcome: Outcome | undefined;
  void torc.add({ count: 2, names: [] }).then(result => {
    outcome = result;
  });
  await bench.pass(10_000);
  assert.match(
    messageOf(outcome),
    /^replica [45] did not become ready: (no such image|the start timed out)$/,
  );
  assert.equal(torc.names(), ['1', '2', '3']);
  const { tableVersion, upstreams } = torc.snapshot();
  assert.equal([tableVersion, upstreams], [before.tableVersion, before.upstreams], 'routing is as it was');
  await bench.pass(6_000);
  assert.is(bench.world.containers.size, 3);
});

test('adds at once do not take the same name', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const all = Promise.all([1, 2, 3].map(() => torc.add({ count: 1, names: [] })));
  await bench.pass(8_000);
  assert.equal(
    (await all).map(outcome => outcome.ok),
    [true, true, true],
  );
  assert.equal([...torc.names()].sort(), ['1', '2', '3', '4', '5', '6']);
});

test('calls under way are bounded', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const calls = Array.from({ length: 17 }, () => torc.add({ count: 1, names: [] }));
  assert.match(messageOf(await calls[16]), /too many changes/);
});

test('remove leaves routing and table at once and resolves after the drain', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const { id } = bench.of('2');
  let outcome: Outcome | undefined;
  void torc.remove({ count: 2, names: ['2'] }).then(result => {
    outcome = result;
  });
  assert.equal(torc.names(), ['1']);
  assert.is(torc.snapshot().upstreams.length, 1);
  assert.is(outcome, undefined);
  assert.is(bench.world.containers.get(id)?.status, 'running', 'requests in flight go on');
  await bench.pass(11_000);
  assert.equal(outcome, { ok: true });
  assert.is(bench.world.containers.size, 1);
});

test('an outage: routing unchanged, one line, nothing started, all healed when it is over', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  bench.lines.length = 0;
  const before = bench.routed();
  bench.world.isAway = true;
  await bench.pass(20_000);
  assert.equal(bench.routed(), before);
  assert.is(bench.lines.filter(line => line.includes('does not answer')).length, 1);
  bench.world.kill(bench.of('1'));
  await bench.pass(10_000);
  assert.is(bench.lines.filter(line => /start for slot|does not answer/.test(line)).length, 1);
  assert.match(
    messageOf(await torc.add({ count: 1, names: [] })),
    /nothing can be started: the \w+ driver does not answer \(.+\)/,
  );
  bench.world.isAway = false;
  await bench.pass(8_000);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.is(bench.lines.filter(line => line.includes('answers again')).length, 1);
});

test('a lost event is made good by the periodic list', async () => {
  const bench = new Bench({ heartbeatIntervalMs: 600_000 });
  await bench.ready();
  bench.world.chances = { ...CALM, eventLost: 1 };
  const victim = bench.of('1');
  bench.world.kill(victim);
  await bench.pass(5_200);
  assert.not(bench.routed().some(line => line.includes(victim.id)));
});

test('an earlier run is adopted: no duplicates, no restarts, what was added too', async () => {
  const bench = new Bench({ spares: 1 });
  const torc = await bench.ready();
  void torc.add({ count: 1, names: ['web'] });
  await bench.pass(5_000);
  const before = bench.world.running().map(container => container.id);
  bench.newTorc();
  await bench.ready();
  assert.equal(bench.torc.names(), ['1', '2', '3', 'web']);
  assert.equal(
    bench.world.running().map(container => container.id),
    before,
  );
});

test('with adopt off, leftovers are stopped and new ones started', async () => {
  const bench = new Bench();
  await bench.ready();
  const before = bench.world.running().map(container => container.id);
  bench.newTorc({ adopt: false });
  await bench.ready();
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  assert.not(bench.world.running().some(container => before.includes(container.id)));
});

for (const afterMs of [0, 3, 6, 20, 100, 300, 1_000]) {
  test(`a stop ${afterMs} ms into the start leaves nothing behind`, async () => {
    const bench = new Bench({ spares: 1 });
    let isStarted = false;
    let isStopped = false;
    void bench.torc.start().then(() => {
      isStarted = true;
    });
    await bench.pass(afterMs);
    void bench.torc.stop({ remove: true }).then(() => {
      isStopped = true;
    });
    await bench.pass(5_000);
    assert.ok(isStarted && isStopped);
    assert.is(bench.world.containers.size, 0);
  });
}

test('a stop that keeps leaves the replicas running and answers adds that wait', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const adding = torc.add({ count: 1, names: [] });
  let isStopped = false;
  void torc.stop({ remove: false }).then(() => {
    isStopped = true;
  });
  await bench.pass(3_000);
  assert.ok(isStopped);
  assert.match(messageOf(await adding), /torc is stopping/);
  assert.is(bench.world.running().length, 3);
  assert.match(messageOf(await torc.remove({ count: 1, names: [] })), /torc is stopping/);
});

test('a torc that stalls declares nobody dead', async () => {
  const bench = new Bench();
  await bench.ready();
  const before = bench.routed();
  // So often and so dense that most questions are out during a stall.
  for (let i = 0; i < 300; i++) {
    bench.clock.stall(700);
    await bench.pass(5);
  }
  assert.equal(bench.routed(), before);
});

test('a torc that is late again and again still finds out who hangs', async () => {
  const bench = new Bench();
  await bench.ready();
  const { id } = bench.of('2');
  bench.of('2').hung = true;
  const others = bench.routed().filter(each => !each.startsWith('2 '));
  // Every few heartbeats are void by that.
  for (let passedMs = 0; passedMs < 3 * SETTINGS.deadAfterMs; passedMs += 1_800) {
    bench.clock.stall(300);
    await bench.pass(1_500);
  }
  assert.is.not(bench.of('2').id, id);
  assert.equal(
    bench.routed().filter(each => !each.startsWith('2 ')),
    others,
  );
});

// Replicas that are given.

interface Given {
  readonly bench: Bench;
  readonly torc: Supervisor;
  readonly down: Set<string>;
}

async function given(heartbeatPath: string): Promise<Given> {
  const bench = new Bench();
  const down = new Set<string>();
  const driver: Driver = {
    name: 'static',
    creates: false,
    open: async () => {},
    list: async () =>
      ['a', 'b', 'c'].map((host, index) => ({
        id: `${host}:80`,
        slot: `${index + 1}`,
        generation: 1,
        spare: false,
        status: 'running',
        host,
        port: 80,
        label: `${host}:80`,
      })),
    start: async () => {
      throw new Error('nothing is made');
    },
    stop: async () => {},
    close: async () => {},
  };
  const torc = new Supervisor({
    driver,
    probe: async ({ host }) =>
      down.has(host)
        ? { alive: false, got: 'refused', status: 0, detail: 'connection refused' }
        : { alive: true, got: 'answer', status: 200, detail: '200' },
    clock: bench.clock,
    random: bench.world.random,
    log: silentLog,
    dataPlane: {
      publish: () => {},
      drained: async () => true,
      signs: async () => ({ reads: 0, answers: 0 }),
    },
    settings: () => ({ ...SETTINGS, heartbeatPath, heartbeatRise: 2 }),
  });
  bench.torc = torc;
  void torc.start();
  await bench.pass(2_000);
  return { bench, torc, down };
}

test('given replicas: heartbeats eject, and readmit after enough answers', async () => {
  const { bench, torc, down } = await given('/heartbeat');
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready']);
  down.add('b');
  await bench.pass(2_000);
  assert.is(bench.states()[1], '2 suspect');
  await bench.pass(60_000);
  assert.is(bench.states()[1], '2 suspect');
  down.delete('b');
  await bench.pass(2_500);
  assert.is(bench.states()[1], '2 ready');
  assert.is(torc.slots()[1]?.replicaId, 'b:80');
});

test('given replicas without probes: usable at once; a refused connection ejects for a time that grows', async () => {
  const { bench, torc } = await given('');
  const refuse = (): void =>
    torc.hint({ slot: '1', replicaId: 'a:80', cause: 'refused', detail: 'refused', inRow: 1 });
  refuse();
  assert.is(bench.states()[0], '1 suspect');
  await bench.pass(5_100);
  assert.is(bench.states()[0], '1 ready');
  refuse();
  await bench.pass(5_100);
  assert.is(bench.states()[0], '1 suspect');
  await bench.pass(5_000);
  assert.is(bench.states()[0], '1 ready');
});

test('given replicas: add is refused, rm takes one out until the next start', async () => {
  const { bench, torc } = await given('/heartbeat');
  assert.match(messageOf(await torc.add({ count: 1, names: [] })), /TORC_UPSTREAMS/);
  assert.equal(await torc.remove({ count: 1, names: ['2'] }), { ok: true });
  await bench.pass(20_000);
  assert.equal(torc.names(), ['1', '3']);
});

test('heartbeats missed by all at once take out half of the slots, and the others when those are back', async () => {
  const bench = new Bench({ replicas: 4 });
  await bench.ready();
  for (const container of bench.world.running()) Object.assign(container, { hung: true, harmed: true });
  let fewest = 4;
  for (let ms = 0; ms < 60_000; ms += 50) {
    await bench.pass(50);
    fewest = Math.min(fewest, bench.routed().length);
  }
  assert.is(fewest, 2);
  assert.equal(bench.states(), ['1 ready', '2 ready', '3 ready', '4 ready']);
  assert.is(bench.world.running().filter(container => container.hung).length, 0);
});

test('the last ready slot stays in routing until it is dead', async () => {
  const bench = new Bench({ replicas: 2 });
  await bench.ready();
  bench.world.chances = { ...bench.world.chances, startFails: 1 };
  bench.world.kill(bench.of('1'));
  await bench.pass(1_000);
  const hung = bench.of('2');
  Object.assign(hung, { hung: true, harmed: true });
  await bench.pass(9_000);
  assert.equal(bench.routed(), [`2 ${hung.id} ready`]);
  await bench.pass(5_000);
  assert.equal(bench.routed(), []);
});

test('many are stopped at once, but not all', async () => {
  const bench = new Bench({ replicas: 30, drainTimeoutMs: 0 });
  await bench.ready();
  await bench.pass(30_000);
  const { world } = bench;
  for (const container of world.running()) world.kill(container);
  await bench.pass(1_000);
  assert.is(world.mostStopsAtOnce, 8);
  await bench.pass(30_000);
  assert.equal([bench.routed().length, world.containers.size], [30, 30]);
});

test('replicas that are killed all at once are out at once', async () => {
  const bench = new Bench({ replicas: 4 });
  await bench.ready();
  for (const container of bench.world.running()) bench.world.kill(container);
  await bench.pass(15);
  assert.equal(bench.routed(), []);
  await bench.pass(10_000);
  assert.is(bench.routed().length, 4);
});

test('why a slot keeps failing: cause and last words, until it is well', async () => {
  const bench = new Bench({ replicas: 1 });
  await bench.ready();
  bench.world.chances = { ...bench.world.chances, startShort: 1 };
  bench.world.kill(bench.of('1'));
  await bench.pass(20_000);
  bench.world.chances = { ...bench.world.chances, startShort: 0 };
  const failing = bench.torc.slots()[0]?.failing;
  assert.match(failing?.cause ?? '', /^docker die/);
  assert.is(failing?.output, 'last words');
  await bench.pass(60_000);
  assert.is(bench.torc.slots()[0]?.failing, null);
});

test.run();
