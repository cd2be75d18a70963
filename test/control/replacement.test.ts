// "Replace now": a slot gets another replica and is never out for it, or keeps the one that it has and says why. What a slot
// without a ready replica gets is what healing gives it, only now.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bench } from './setup.ts';

const replacement = suite('replacement');

const TWO = { replicas: 2 };

replacement(
  'the new one is proven first, then swapped in by one publish, and the old one drains',
  async () => {
    const bench = new Bench(TWO);
    await bench.ready();
    const before = bench.of('1');
    const from = bench.world.published.length;
    const outcome = bench.torc.replace('1');
    await bench.pass(10_000);
    assert.equal(await outcome, { ok: true });
    const after = bench.of('1');
    assert.is.not(after.id, before.id);
    const published = bench.world.published.slice(from).map(({ upstreams }) => upstreams);
    assert.equal(
      published.filter(upstreams => upstreams.some(each => each.slot === '1' && each.replicaId === after.id))
        .length,
      published.length,
      'its first publish has the new one',
    );
    assert.ok(published.every(upstreams => upstreams.length === 2 && upstreams.every(isReady)));
    const [drained] = bench.torc.events().filter(event => 'to' in event && event.to === 'draining');
    assert.match(JSON.stringify(drained), /"slot":"1".*"cause":"replaced","source":"operator"/);
    assert.is(bench.world.running().length, 2, 'the old one has ended');
    // The driver knows whose it is: the next torc takes it over as slot 1.
    assert.equal([after.slot, after.spare, after.generation], ['1', false, before.generation + 1]);
  },
);

replacement('one that does not become ready leaves the slot as it is, and says how to go on', async () => {
  const bench = new Bench(TWO);
  await bench.ready();
  const before = bench.of('1');
  bench.world.chances = { ...bench.world.chances, startFails: 1 };
  const outcome = bench.torc.replace('1');
  await bench.pass(70_000);
  const ended = await outcome;
  assert.not(ended.ok);
  if (!ended.ok) {
    assert.is(ended.status, 503);
    assert.match(
      ended.message,
      /^slot 1 keeps its replica: .*did not become ready: .*; where two cannot run/,
    );
  }
  assert.is(bench.of('1').id, before.id);
  assert.is(bench.of('1').status, 'running');
  assert.equal(bench.torc.spares(), []);
});

replacement('a slot that is out is filled as healing does, without waiting for its next try', async () => {
  const bench = new Bench(TWO);
  await bench.ready();
  bench.world.chances = { ...bench.world.chances, startFails: 1 };
  bench.world.kill(bench.of('1'));
  await bench.pass(60_000);
  assert.equal(bench.states()[0], '1 dead');
  bench.world.chances = { ...bench.world.chances, startFails: 0 };
  const outcome = bench.torc.replace('1');
  await bench.pass(4_000);
  assert.equal(await outcome, { ok: true });
});

replacement('it and a roll-out do not get into each other, and one slot has one at a time', async () => {
  const bench = new Bench(TWO);
  await bench.ready();
  const first = bench.torc.replace('1');
  const again = await bench.torc.replace('1');
  assert.match(JSON.stringify(again), /"status":409,"message":"a new replica of slot 1 is being started/);
  assert.match(JSON.stringify(await bench.torc.rollout('app:2')), /"status":409.*slot 1 is getting another/);
  const other = bench.torc.replace('2');
  await bench.pass(10_000);
  assert.equal([await first, await other], [{ ok: true }, { ok: true }]);
  void bench.torc.rollout('app:2');
  await bench.pass(500);
  assert.match(
    JSON.stringify(await bench.torc.replace('2')),
    /"status":409.*a roll-out of app:2 is under way/,
  );
  await bench.pass(60_000);
  assert.is(bench.torc.rolloutView()?.state, 'succeeded');
});

replacement('the slot is removed meanwhile, or torc stops: nothing of it is left', async () => {
  for (const isStop of [false, true]) {
    const bench = new Bench(TWO);
    await bench.ready();
    const outcome = bench.torc.replace('1');
    await bench.pass(50);
    const ending = isStop ? bench.torc.stop({ remove: true }) : bench.torc.remove({ count: 1, names: ['1'] });
    await bench.pass(60_000);
    await ending;
    assert.match(
      JSON.stringify(await outcome),
      isStop ? /503.*torc is stopping/ : /409.*was removed meanwhile/,
    );
    assert.is(bench.world.running().length, isStop ? 0 : 1);
  }
});

replacement(
  'a death of the old one meanwhile is healed, and the slot has one replica in the end',
  async () => {
    const bench = new Bench(TWO);
    await bench.ready();
    const outcome = bench.torc.replace('1');
    await bench.pass(30);
    bench.world.kill(bench.of('1'));
    await bench.pass(20_000);
    assert.equal(await outcome, { ok: true });
    assert.equal(bench.states(), ['1 ready', '2 ready']);
    assert.is(bench.world.running().length, 2);
  },
);

const isReady = ({ state }: { state: string }): boolean => state === 'ready';

replacement.run();
