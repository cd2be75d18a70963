// Slow start and lending: each key moves once and only to its own slot, lent keys stay while they are spoken of and come home
// when they fell silent or their time is over, keys that nobody lent are home at once; and the memory of it is given back.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { UpstreamSpec, WarmUp } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { CHOICES, rowOf } from '../../src/ring/table.ts';
import { choosableOf } from '../../src/routing/choosable.ts';
import { Lending, type LendingSettings, WAITS } from '../../src/routing/lending.ts';
import { NO_SLOT, pick } from '../../src/routing/pick.ts';
import { SlowStart } from '../../src/routing/slow-start.ts';
import type { Snapshot } from '../../src/routing/snapshot.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

const test = suite('routing/lending');
const KEYS = Array.from({ length: 2000 }, (_, key) => Math.imul(key + 1, 0x85ebca6b));
const table = createTableBuilder('rendezvous', 4096).update(
  [0, 1, 2, 3].map(id => ({ id, name: String(id + 1) })),
);
const ownerOf = (hash: number): number => table.choices[rowOf(table, hash) * CHOICES]!;
const KEYS_OF_1 = KEYS.filter(hash => ownerOf(hash) === 1);

interface Standing {
  readonly out?: readonly number[];
  readonly warmUps?: Readonly<Record<number, WarmUp>>;
  readonly inFlight?: readonly number[];
}

/** At 0 ms of both clocks. */
function snapshotOf({ out = [], warmUps = {}, inFlight = [] }: Standing): Snapshot {
  const specs = [0, 1, 2, 3].map(
    slotId =>
      ({
        slotId,
        state: out.includes(slotId) ? 'suspect' : 'ready',
        warmUp: warmUps[slotId],
      }) as unknown as UpstreamSpec,
  );
  return {
    epoch: 1,
    checksum: 0,
    table,
    keyHash: () => 0,
    upstreams: specs.map(({ slotId }) => ({ inFlight: inFlight[slotId] ?? 0 }) as Upstream),
    slowStart: new SlowStart(specs, 0, 0),
    names: [],
    ...choosableOf(specs),
  };
}

const all = (untilMs: number): WarmUp => ({ fromMs: 0, untilMs, keys: 'all' });
const lent = (untilMs: number): WarmUp => ({ fromMs: 0, untilMs, keys: 'lent' });

test('slow start: no key of the slot at first, all at the end, each moved once and others never', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 8 }), times => {
      const snapshot = snapshotOf({ warmUps: { 1: all(1000) } });
      const home = new Set<number>();
      for (const nowMs of [0, ...times.sort((a, b) => a - b), 1000]) {
        snapshot.slowStart!.advance(nowMs);
        let share = 0;
        for (const hash of KEYS) {
          const slot = pick(snapshot, hash, [], 0, 0);
          if (ownerOf(hash) !== 1) assert.is(slot, ownerOf(hash));
          else if (slot === 1) home.add(hash);
          else assert.not(home.has(hash), 'one that is home stays there');
          if (slot === 1) share += 1 / KEYS_OF_1.length;
        }
        assert.ok(Math.abs(share - nowMs / 1000) < 0.12, `${share} of its keys after ${nowMs} of 1000 ms`);
      }
      assert.is(home.size, KEYS_OF_1.length);
      assert.not(snapshot.slowStart!.advance(1000), 'it is over');
    }),
    { numRuns: 15 },
  );
});

test('slow start: where all warm up, or nobody else is there, keys are at home', () => {
  const everybody = snapshotOf({ warmUps: { 0: all(1000), 1: all(1000), 2: all(1000), 3: all(1000) } });
  const alone = snapshotOf({ out: [0, 2, 3], warmUps: { 1: all(1000) } });
  for (const hash of KEYS) {
    assert.is(pick(everybody, hash, [], 0, 0), ownerOf(hash));
    assert.is(pick(alone, hash, [], 0, 0), 1);
  }
});

test('slow start: a wall clock that was set back begins it anew, and ends it', () => {
  const spec = { slotId: 0, state: 'ready', warmUp: { fromMs: 5000, untilMs: 6000, keys: 'all' } };
  const slow = new SlowStart([spec as unknown as UpstreamSpec], 2000, 70_000);
  assert.is(slow.marks[0], 0);
  assert.not(slow.advance(71_000));
  assert.is(slow.marks[0], 2 ** 32);
});

const make = (settings: Partial<LendingSettings>) => {
  const counts = { lent: 0 };
  const none = {
    balanceFactor: 0,
    balanceWaitMs: 0,
    lentStickyMs: 0,
    slowStartMs: 0,
    returnHow: 'now',
  } as const;
  const lending = new Lending({ ...none, ...settings }, counts);
  const choose = (snapshot: Snapshot, hash: number, nowMs: number, mayWait = false, tried: number[] = []) =>
    lending.choose(snapshot, hash, tried, 4, nowMs, mayWait);
  return { lending, counts, choose };
};

test('gradual return: who spoke while the slot was out stays, until silent or time is over; others are home', () => {
  const { lending, choose } = make({ slowStartMs: 1000, returnHow: 'gradual' });
  assert.ok(lending.isOn);
  const out = snapshotOf({ out: [1] });
  const [talking, quiet, fresh] = [KEYS_OF_1.slice(0, 80), KEYS_OF_1.slice(80, 160), KEYS_OF_1.slice(160)];
  const standIns = new Map([...talking, ...quiet].map(hash => [hash, choose(out, hash, -100)]));
  const back = snapshotOf({ warmUps: { 1: lent(1000) } });
  for (const hash of fresh) assert.is(choose(back, hash, 0), 1);
  const gone = new Set<number>();
  for (const nowMs of [0, 200, 400, 500, 600, 700, 800, 900, 1000]) {
    back.slowStart!.advance(nowMs);
    for (const hash of talking) {
      const slot = choose(back, hash, nowMs);
      if (slot === 1) gone.add(hash);
      else assert.is(slot, standIns.get(hash), 'with whom it was');
      if (nowMs <= 500) assert.is.not(slot, 1, 'it never fell silent');
      if (gone.has(hash)) assert.is(slot, 1);
    }
    if (nowMs === 700) assert.ok(gone.size > 5 && gone.size < 75, `${gone.size}: not all at one moment`);
  }
  assert.is(gone.size, talking.length, 'its time is over');
  back.slowStart!.advance(450);
  for (const hash of quiet) assert.is(choose(back, hash, 450), 1, 'silent for more than half of the time');
});

test('gradual return: a stand-in that goes itself is not waited for', () => {
  const { choose } = make({ slowStartMs: 1000, returnHow: 'gradual' });
  const [hash] = KEYS_OF_1 as [number];
  const standIn = choose(snapshotOf({ out: [1] }), hash, 0);
  assert.is(choose(snapshotOf({ out: [standIn], warmUps: { 1: lent(1000) } }), hash, 10), 1);
});

test('sticky: one that was lent goes to the same stand-in again, if that has room, until silent', () => {
  const { choose, counts } = make({ balanceFactor: 1.25, lentStickyMs: 100 });
  const [hash, other] = KEYS_OF_1 as [number, number];
  const full = snapshotOf({ inFlight: [0, 4, 0, 0] });
  const standIn = choose(full, hash, 0);
  assert.is.not(standIn, 1);
  assert.is(counts.lent, 1);
  const idle = snapshotOf({});
  assert.is(choose(idle, hash, 90), standIn, 'its own has room, but its last words are there');
  assert.is(choose(idle, other, 90), 1);
  assert.is(choose(idle, hash, 180), standIn, 'each word counts');
  const busy = snapshotOf({ inFlight: [0, 0, 0, 0].map((_, slot) => (slot === standIn ? 4 : 0)) });
  assert.is(choose(busy, hash, 190), 1);
  assert.is(choose(idle, hash, 281), 1, 'silent for longer');
  assert.is(choose(idle, hash, 282, false, [1]), pick(idle, hash, [1], 1.25, 4), 'a retry goes its own way');
});

test('a wait is asked for only where the own slot would serve but for its load', () => {
  const { choose } = make({ balanceFactor: 1.25, balanceWaitMs: 100 });
  const [hash] = KEYS_OF_1 as [number];
  const full = snapshotOf({ inFlight: [0, 4, 0, 0] });
  assert.is(choose(full, hash, 0, true), WAITS);
  assert.is.not(choose(full, hash, 0, false), WAITS);
  assert.is(choose(snapshotOf({}), hash, 0, true), 1);
  const out = snapshotOf({ out: [1] });
  assert.is(
    choose(out, hash, 0, true),
    pick(out, hash, [], 0, 0),
    'it is out: its stand-in is as good as its own',
  );
  assert.is(choose(snapshotOf({ out: [0, 1, 2, 3] }), hash, 0, true), NO_SLOT);
});

test('off: nothing is asked; on: what fell silent is forgotten, and what did not is kept', () => {
  assert.not(make({}).lending.isOn);
  assert.not(make({ slowStartMs: 1000 }).lending.isOn);
  const { lending, choose } = make({ slowStartMs: 1000, returnHow: 'gradual' });
  const out = snapshotOf({ out: [1] });
  const kept = KEYS_OF_1.map(hash => choose(out, hash, 0));
  lending.sweep(500);
  const back = snapshotOf({ warmUps: { 1: lent(1000) } });
  assert.equal(
    KEYS_OF_1.map(hash => choose(back, hash, 100)),
    kept,
  );
  lending.sweep(700);
  for (const hash of KEYS_OF_1) assert.is(choose(back, hash, 700), 1, 'forgotten, and so at home');
});

test.run();
