// Counts: exact, handed out once, plain data, and summed by the primary; recent keys are bounded.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Counters, emptyTotals, keepOnly, mergeDelta } from '../../src/routing/counters.ts';

const counting = suite('counters');

counting('collect hands out what is new, once, as data that crosses a process boundary', () => {
  const counters = new Counters();
  const slot = counters.of(0, 'a', 'r');
  slot.answered(200, '/x?id=77', 6, 8);
  slot.answered(503, '/y', 0, 2);
  slot.tookUs(1500);
  slot.tookUs(99_000_000_000);
  counters.error('RESET', 'a');
  counters.error('RESET', 'a');
  counters.error('NO_REPLICA', '');
  counters.refused.client++;
  counters.logDropped = 7;
  counters.retries++;
  const delta = structuredClone(counters.collect(true));
  assert.equal(delta.slots[0]!.keys, ['77', '/y']);
  assert.equal(delta.slots[0]!.statuses, [0, 1, 0, 0, 1]);
  assert.equal(delta.errors, [
    { code: 'RESET', slot: 'a', count: 2 },
    { code: 'NO_REPLICA', slot: '', count: 1 },
  ]);
  assert.equal(counters.collect(true), {
    slots: [],
    errors: [],
    refused: { total: 0, client: 0, handshakes: 0 },
    handshakes: { full: 0, resumed: 0, failed: 0 },
    logDropped: 0,
    retries: 0,
    budgetRefusals: 0,
    lent: 0,
    ownSlotWaits: 0,
    requests: 0,
    hotKeys: null,
  });
  const totals = emptyTotals();
  mergeDelta(totals, delta);
  mergeDelta(totals, delta);
  const sum = totals.slots.get('a')!;
  assert.is(sum.requests, 4);
  assert.is(sum.latencies.totalCount, 4);
  assert.ok(Math.abs(sum.latencies.getValueAtPercentile(50) - 1500) <= 15);
  assert.is(totals.errors[0]!.count, 4);
  assert.equal(totals.refused, { total: 0, client: 2, handshakes: 0 });
  assert.is(totals.logDropped, 14);
  keepOnly(totals, new Set(['b']));
  assert.equal(totals.errors, [{ code: 'NO_REPLICA', slot: '', count: 2 }]);
});

counting('what is idle is forgotten, what is in flight is not; sums of removed slots are dropped', () => {
  const counters = new Counters();
  const idle = counters.of(0, 'a', 'r');
  idle.answered(200, '/x', 0, 2);
  const busy = counters.of(1, 'b', 'r');
  busy.inFlight = 1;
  const totals = emptyTotals();
  mergeDelta(totals, counters.collect(true));
  counters.collect(true);
  assert.is.not(counters.of(0, 'a', 'r'), idle);
  assert.is(counters.of(1, 'b', 'r'), busy);
  keepOnly(totals, new Set(['b']));
  assert.equal([...totals.slots.keys()], ['b']);
});

counting('counts belong to the slot: another slot that takes over the id starts at nothing', () => {
  const counters = new Counters();
  counters.of(0, 'a', 'r').answered(200, '/x', 0, 2);
  counters.of(0, 'b', 'r').answered(200, '/x', 0, 2);
  counters.of(0, 'a', 'r').answered(200, '/x', 0, 2);
  const { slots } = counters.collect(true);
  assert.equal(
    slots.map(({ slot, requests }) => [slot, requests]),
    [
      ['a', 2],
      ['b', 1],
    ],
  );
});

counting(
  'recent keys: the latest, oldest first, at most 10,000, long ones cut, random ones of six digits',
  () => {
    const counters = new Counters();
    const slot = counters.of(0, 'a', 'r');
    for (let index = 0; index < 32_345; index++) slot.answered(200, `/${index}`, 1, 9);
    const { keys, requests } = counters.collect(true).slots[0]!;
    assert.is(requests, 32_345);
    assert.is(keys.length, 10_000);
    assert.is(keys[0], '22345');
    assert.is(keys.at(-1), '32344');
    slot.answered(200, `/${'k'.repeat(9000)}`, 1, 9001);
    slot.answered(200, '', 4_000_000_000, -1);
    const next = counters.collect(true).slots[0]!.keys;
    assert.is(next[0]!.length, 512);
    assert.match(next[1]!, /^\d{6}$/);
  },
);

counting('keys stay until they are asked for or nothing comes any more; counts do not', () => {
  const counters = new Counters();
  const slot = counters.of(0, 'a', 'r');
  const told = (withKeys: boolean) =>
    counters.collect(withKeys).slots.map(({ requests, keys }) => [requests, keys]);
  slot.answered(200, '/7', 1, 2);
  assert.equal(told(false), [[1, []]]);
  slot.answered(200, '/8', 1, 2);
  assert.equal(told(false), [[1, []]]);
  slot.answered(200, '/9', 1, 2);
  assert.equal(told(true), [[1, ['7', '8', '9']]]);
  slot.answered(200, '/10', 1, 3);
  assert.equal(told(false), [[1, []]]);
  assert.equal(told(false), [[0, ['10']]], 'idle');
  assert.equal(told(false), [], 'and forgotten');
  // Another number of slots gives each another share of what is kept; the last one was made with it.
  for (let index = 0; index < 20; index++)
    counters.of(index, `s${index}`, 'r').answered(200, `/${index}`, 1, 3);
  assert.is(counters.collect(false).slots.filter(({ keys }) => keys.length === 1).length, 19);
});

counting('the primary keeps a bounded number of keys', () => {
  const totals = emptyTotals();
  const counters = new Counters();
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 9000; index++) counters.of(0, 'a', 'r').answered(200, `/${round}`, 1, 2);
    mergeDelta(totals, counters.collect(true));
  }
  assert.is(totals.slots.get('a')!.keys.length, 10_000);
  assert.is(totals.slots.get('a')!.keys.at(-1), '2');
});

counting.run();
