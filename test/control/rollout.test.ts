// Roll-outs: the next step by tables, and what holds on the calm machine while one runs, after it and after it stopped.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Replica } from '../../src/control/driver.ts';
import { STABLE_MS } from '../../src/control/reconcile.ts';
import { nextStep, type Standing } from '../../src/control/rollout.ts';
import { canaryFile } from '../../src/control/slot-file.ts';
import { newMember, type Slot, Slots } from '../../src/control/slots.ts';
import { silentLog } from '../../src/core/log.ts';
import { temporaryState } from '../support/state.ts';
import { Bench } from './setup.ts';

const test = suite('roll-out');
const NOW_MS = 100_000;
const change = { atMs: 0, cause: 'exit code 1', source: 'event' } as const;

const replica = (id: string): Replica => ({
  id,
  slot: '1',
  generation: 1,
  spare: false,
  status: 'running',
  host: '10.0.0.1',
  port: 1,
  label: id,
});

/** Three slots that have been well for long, and a seat for the first. */
function setup(): { slots: Slots; seat: Slot; one: Slot; standing: Standing } {
  const slots = new Slots();
  for (const name of ['1', '2', '3']) ready(slots.add(name, change, false));
  const one = slots.get('1')!;
  const seat = slots.addSeat(one, { name: 'app:2' }, change);
  return { slots, seat, one, standing: { done: new Set(), seat, deadlineMs: NOW_MS + 1, isLeaving: false } };
}

function ready(slot: Slot, sinceMs = 0): void {
  slot.member = newMember(replica(slot.name), sinceMs, 0);
  slot.member.state = 'ready';
  slot.member.readySinceMs = sinceMs;
}

const allDone = ({ slots }: ReturnType<typeof setup>): Partial<Standing> => ({
  seat: null,
  done: new Set(slots.serving()),
});

type Prepare = (set: ReturnType<typeof setup>) => Partial<Standing>;

const cases: [string, string, Prepare, ((set: ReturnType<typeof setup>) => void)?][] = [
  ['without a seat: one for the first slot', 'seat', () => ({ seat: null })],
  ['the replica swapped out last is leaving', 'wait', () => ({ seat: null, isLeaving: true })],
  ['a seat that is not ready yet', 'wait', () => ({})],
  ['a seat that is ready', 'swap', () => ({}), ({ seat }) => ready(seat)],
  [
    'a seat that is ready while the slot is being started',
    'wait',
    () => ({}),
    ({ seat, one }) => {
      ready(seat);
      one.starting = { slot: '1', generation: 2, spare: false };
    },
  ],
  ['its slot was removed', 'drop', () => ({}), ({ slots, one }) => slots.remove(one)],
  ['one failed start', 'wait', () => ({}), ({ seat }) => Object.assign(seat, { failureCount: 1 })],
  ['two failed starts', 'fail', () => ({}), ({ seat }) => Object.assign(seat, { failureCount: 2 })],
  ['the deadline', 'fail', () => ({ deadlineMs: NOW_MS })],
  ['a ready seat at the deadline', 'swap', () => ({ deadlineMs: NOW_MS }), ({ seat }) => ready(seat)],
  [
    'a new replica that does not last',
    'fail',
    ({ one }) => ({ seat: null, done: new Set([one]) }),
    ({ one }) => Object.assign(one, { failureCount: 2 }),
  ],
  ['all done', 'finish', allDone],
  [
    'all done, one of them not well for long',
    'wait',
    allDone,
    ({ one }) => ready(one, NOW_MS - STABLE_MS + 1),
  ],
  ['all done, one is out', 'wait', allDone, ({ one }) => Object.assign(one, { member: null })],
  [
    'a slot joins: it is waited for',
    'wait',
    ({ slots }) => ({ seat: null, done: new Set(['1', '2', '3'].map(name => slots.get(name)!)) }),
    ({ slots }) => slots.add('4', change, true),
  ],
];

for (const [what, kind, standingOf, prepare] of cases) {
  test(`${what}: ${kind}`, () => {
    const set = setup();
    prepare?.(set);
    const standing = { ...set.standing, ...standingOf(set) };
    assert.is(nextStep(standing, set.slots.serving(), NOW_MS).kind, kind);
  });
}

const versionsOf = (bench: Bench): string[] =>
  bench.torc.slots().map(slot => bench.world.containers.get(slot.replicaId)?.version ?? '-');

test('a slot is never out of routing for it, and each is swapped in one publish', async () => {
  const bench = new Bench();
  await bench.ready();
  const from = bench.world.published.length;
  const outcome = bench.torc.rollout('app:2');
  await bench.pass(40_000);
  assert.equal(await outcome, { ok: true });
  assert.equal(versionsOf(bench), ['app:2', 'app:2', 'app:2']);
  const published = bench.world.published.slice(from);
  assert.is(published.length, 3);
  for (const { upstreams } of published)
    assert.equal(
      upstreams.map(each => each.slot),
      ['1', '2', '3'],
    );
});

test('a slot that dies meanwhile gets the old version back before its turn, the new one after it', async () => {
  const bench = new Bench();
  await bench.ready();
  void bench.torc.rollout('app:2');
  while (!bench.torc.rolloutView()?.done.length) await bench.pass(100);
  bench.world.kill(bench.of('1'));
  bench.world.kill(bench.of('3'));
  await bench.pass(250);
  for (let tries = 0; tries < 20 && versionsOf(bench).includes('-'); tries++) await bench.pass(50);
  assert.equal([versionsOf(bench)[0], versionsOf(bench)[2]], ['app:2', '']);
  await bench.pass(60_000);
  assert.equal(versionsOf(bench), ['app:2', 'app:2', 'app:2']);
  assert.is(bench.torc.rolloutView()?.state, 'succeeded');
});

test('of some slots alone: they keep it when they die, the others what they had; the next one is of all', async () => {
  const bench = new Bench({ spares: 1 });
  await bench.ready();
  assert.match(
    JSON.stringify(await bench.torc.rollout('app:2', undefined, ['2', '9'])),
    'there is no slot 9',
  );
  const outcome = bench.torc.rollout('app:2', undefined, ['2']);
  await bench.pass(40_000);
  assert.equal(await outcome, { ok: true });
  assert.equal(versionsOf(bench), ['', 'app:2', '']);
  const { state, done, left } = bench.torc.rolloutView()!;
  assert.equal([state, done, left], ['succeeded', ['2'], []]);
  for (const slot of ['1', '2']) bench.world.kill(bench.of(slot));
  await bench.pass(20_000);
  assert.equal(versionsOf(bench), ['', 'app:2', '']);
  const all = bench.torc.rollout('app:3');
  await bench.pass(60_000);
  assert.ok((await all).ok);
  assert.equal(versionsOf(bench), ['app:3', 'app:3', 'app:3']);
});

test('of one slot alone: also the next torc heals it with that version, until a roll-out of all', async () => {
  const bench = new Bench();
  const file = canaryFile(join(temporaryState(), 'canaries.json'), silentLog);
  bench.canaryStore = file;
  const restarted = async (): Promise<void> => {
    void bench.torc.stop({ remove: false });
    await bench.pass(2_000);
    bench.newTorc();
    await bench.ready();
  };
  const healed = async (): Promise<string[]> => {
    for (const slot of ['1', '2', '3']) bench.world.kill(bench.of(slot));
    await bench.pass(20_000);
    return versionsOf(bench);
  };
  bench.newTorc();
  await bench.ready();
  for (const version of ['app:2', 'missing:1'])
    await Promise.all([bench.torc.rollout(version, undefined, ['2']), bench.pass(40_000)]);
  await restarted();
  assert.equal(await healed(), ['', 'app:2', '']);
  const removed = bench.torc.remove({ count: 1, names: ['2'] });
  await bench.pass(60_000);
  assert.ok((await removed).ok);
  assert.is(file.read().size, 0);
  const added = bench.torc.add({ count: 1, names: ['2'] });
  await bench.pass(20_000);
  assert.ok((await added).ok);
  await Promise.all([bench.torc.rollout('app:2', undefined, ['2']), bench.pass(40_000)]);
  file.write(new Map([['2', 'missing:2']]));
  await restarted();
  assert.ok(bench.lines.some(line => line.startsWith('slot 2 kept a version of its own, which cannot')));
  assert.equal((await healed()).sort(), ['', '', '']);
  await Promise.all([bench.torc.rollout('app:3'), bench.pass(60_000)]);
  assert.is(file.read().size, 0);
});

test('of one slot alone, stopped: the version that another slot has alone stays', async () => {
  const bench = new Bench();
  await bench.ready();
  await Promise.all([bench.torc.rollout('app:2', undefined, ['1']), bench.pass(40_000)]);
  const second = bench.torc.rollout('short-1', undefined, ['2']);
  await bench.pass(120_000);
  assert.not((await second).ok);
  bench.world.kill(bench.of('1'));
  await bench.pass(20_000);
  assert.equal(versionsOf(bench), ['app:2', '', '']);
});

test('one that stopped half-way: what dies afterwards comes back as it was before', async () => {
  const bench = new Bench({ spares: 1 });
  await bench.ready();
  const outcome = bench.torc.rollout('app:2');
  while (!bench.torc.rolloutView()?.done.length) await bench.pass(100);
  assert.equal(bench.torc.stopRollout('enough'), { ok: true });
  await bench.pass(15_000);
  assert.equal(await outcome, { ok: false, status: 503, message: 'enough' });
  assert.equal(versionsOf(bench), ['app:2', '', '']);
  bench.world.kill(bench.of('1'));
  await bench.pass(10_000);
  assert.equal(versionsOf(bench), ['', '', '']);
  assert.is(bench.world.running().length, 4, 'the seat is gone');
});

test('a version that ends soon after its first answer does not succeed', async () => {
  const bench = new Bench({ replicas: 1 });
  await bench.ready();
  const outcome = bench.torc.rollout('short-1');
  await bench.pass(120_000);
  const ended = await outcome;
  assert.not(ended.ok);
  if (!ended.ok) assert.match(ended.message, /did not (last|become ready): docker die/);
  assert.equal(versionsOf(bench), ['']);
});

test('the engine going away in the middle holds it up and does not end it', async () => {
  const bench = new Bench();
  await bench.ready();
  const outcome = bench.torc.rollout('app:2');
  await bench.pass(50);
  bench.world.isAway = true;
  await bench.pass(10_000);
  assert.is(bench.torc.rolloutView()?.state, 'running');
  bench.world.isAway = false;
  await bench.pass(60_000);
  assert.equal(await outcome, { ok: true });
});

test('the same name again replaces everything again: a tag may mean another image by now', async () => {
  const bench = new Bench({ spares: 1 });
  await bench.ready();
  void bench.torc.rollout('app:latest');
  await bench.pass(60_000);
  const before = new Set(bench.world.running().map(container => container.id));
  const outcome = bench.torc.rollout('app:latest');
  await bench.pass(60_000);
  assert.equal(await outcome, { ok: true });
  const kept = bench.world.running().filter(container => before.has(container.id));
  assert.equal(kept, []);
  assert.is(bench.world.running().length, 4);
});

test.run();
