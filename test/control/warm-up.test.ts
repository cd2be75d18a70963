// Which slots take their keys little by little: those that get another replica while torc serves; none at torc's start, none
// that was adopted, none that was only doubted. As the snapshot says it, from the supervisor on the simulation's machine.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newMember, Slots } from '../../src/control/slots.ts';
import { warmUpOf } from '../../src/control/warm-up.ts';
import { Bench } from './setup.ts';

const test = suite('control/warm-up');

const warmUps = (bench: Bench): string[] =>
  bench.torc.snapshot().upstreams.map(({ slot, warmUp }) => {
    const until = warmUp === undefined ? '' : ` ${warmUp.keys} ${warmUp.untilMs - warmUp.fromMs}`;
    return `${slot}${until}`;
  });

test('none at the start, one that healed, one that was added; none that was adopted', async () => {
  const bench = new Bench({ slowStartMs: 30_000 });
  await bench.ready();
  assert.equal(warmUps(bench), ['1', '2', '3']);
  bench.world.kill(bench.of('2'));
  await bench.pass(5_000);
  assert.equal(warmUps(bench), ['1', '2 all 30000', '3']);
  const added = bench.torc.add({ count: 1, names: ['4'] });
  await bench.pass(5_000);
  assert.ok((await added).ok);
  assert.equal(warmUps(bench), ['1', '2 all 30000', '3', '4 all 30000']);
  const [, second, , fourth] = bench.torc.snapshot().upstreams;
  assert.ok(second!.warmUp!.fromMs < fourth!.warmUp!.fromMs);
  void bench.torc.stop({ remove: false });
  await bench.pass(2_000);
  bench.newTorc();
  await bench.ready();
  assert.equal(warmUps(bench), ['1', '2', '3', '4']);
});

test('gradual: a slot that is back keeps back only what was lent; a new one has lent nothing', async () => {
  const bench = new Bench({ slowStartMs: 30_000, returnHow: 'gradual', spares: 1 });
  await bench.ready();
  bench.world.kill(bench.of('2'));
  await bench.pass(5_000);
  assert.equal(warmUps(bench), ['1', '2 lent 30000', '3'], 'a spare is there at once, and as cold');
  const added = bench.torc.add({ count: 1, names: ['4'] });
  await bench.pass(5_000);
  await added;
  assert.is(warmUps(bench)[3], '4 all 30000');
});

test('off: nothing, also where another time was in force before', async () => {
  const bench = new Bench({ slowStartMs: 30_000 });
  await bench.ready();
  bench.world.kill(bench.of('2'));
  await bench.pass(5_000);
  Object.assign(bench.settings, { slowStartMs: 0 });
  bench.world.kill(bench.of('2'));
  await bench.pass(5_000);
  assert.equal(warmUps(bench), ['1', '2', '3']);
});

test('a doubt that passed: the same replica, unless somebody else makes it and it was away', () => {
  const slots = new Slots();
  slots.isStarting = false;
  const settings = { slowStartMs: 1000, returnHow: 'now' } as const;
  const slot = slots.add('1', { atMs: 0, cause: '', source: 'listing' }, false);
  slot.generation = 1;
  slot.member = newMember({ id: 'a' } as never, 0, 0);
  const after = (ms: number, isGiven: boolean): boolean => {
    slot.trouble = { replicaId: 'a', kind: 'hung', source: 'heartbeat', cause: '', atMs: 100 };
    return warmUpOf(slot, settings, { isNew: false, isGiven, nowMs: 100 + ms, wallMs: 0 }) !== null;
  };
  assert.equal([after(5000, false), after(999, true), after(1000, true)], [false, false, true]);
  slot.warmUp = { fromMs: 0, untilMs: 1000, keys: 'all' };
  assert.ok(after(10, true), 'what had begun goes on');
});

test.run();
