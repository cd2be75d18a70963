// The latencies of the last minutes: what is slow now shows at once, what was slow is forgotten, and a successor begins
// with nothing, while the slot's own counts stay exact.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Counters, emptyTotals, mergeDelta } from '../../src/routing/counters.ts';
import { RecentLatencies } from '../../src/routing/recent.ts';

const recent = suite('recent latencies');

function took(counters: Counters, replicaId: string, us: number, count: number): void {
  const slot = counters.of(0, '1', replicaId);
  for (let i = 0; i < count; i++) {
    slot.answered(200, '/x', 0, 2);
    slot.tookUs(us);
  }
}

recent('a replica that is slow for its last requests shows it, its successor does not', () => {
  const counters = new Counters();
  const totals = emptyTotals();
  const latencies = new RecentLatencies();
  const collect = (nowMs: number): void => {
    const delta = counters.collect();
    mergeDelta(totals, delta);
    latencies.record(delta, nowMs);
  };
  took(counters, 'old', 600, 5_000);
  collect(1_000);
  took(counters, 'old', 200_000, 160);
  collect(100_000);
  const minute = latencies.view('old', 110_000, 60_000);
  assert.is(minute.requests, 160);
  assert.ok(minute.p50Us > 198_000 && minute.p50Us <= 200_000, `${minute.p50Us} us`);
  const five = latencies.view('old', 110_000, 300_000);
  assert.is(five.requests, 5_160);
  assert.ok(five.p50Us <= 600 && five.p99Us > 198_000, JSON.stringify(five));
  assert.ok(
    totals.slots.get('1')!.latencies.getValueAtPercentile(50) <= 610,
    'since the start it looks well',
  );
  assert.equal(latencies.view('old', 500_000, 300_000), { requests: 0, p50Us: 0, p99Us: 0 });
  // Both in one collection: the old one still answers while the new one begins.
  took(counters, 'old', 200_000, 3);
  took(counters, 'new', 700, 10);
  took(counters, 'old', 200_000, 3);
  collect(111_000);
  assert.is(latencies.view('new', 111_000, 60_000).requests, 10);
  assert.ok(latencies.view('new', 111_000, 60_000).p99Us <= 700);
  assert.is(latencies.view('old', 111_000, 60_000).requests, 166);
  assert.is(totals.slots.get('1')!.requests, 5_176, 'the count of the slot is exact');
  latencies.keepOnly(new Set(['new']));
  assert.is(latencies.view('old', 111_000, 300_000).requests, 0);
});

recent('what is kept is bounded', () => {
  const counters = new Counters();
  const latencies = new RecentLatencies();
  for (let nowMs = 0; nowMs < 1_000_000; nowMs += 10_000) {
    took(counters, 'r', 500, 1);
    latencies.record(counters.collect(), nowMs);
  }
  assert.is(latencies.view('r', 1_000_000, 1e9).requests, 30);
});

recent.run();
