// Which of a name's addresses fills which seat: examples, and what must hold whatever the answers were.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  isMadeOf,
  NOBODY,
  type Seating,
  seatAll,
  seatDueMs,
  seatName,
} from '../../src/drivers/static/seats.ts';

const test = suite('seats');

const HOLD = 5_000;
const FORGET = 60_000;

const answer = (before: Seating, addresses: readonly string[], nowMs: number, group = 'web:80'): Seating =>
  seatAll(before, new Map([[group, new Set(addresses)]]), { nowMs, holdMs: HOLD, forgetMs: FORGET });

/** "1=a 2=b": who sits where. */
const shown = ({ seats }: Seating): string =>
  seats.flatMap(({ number, address, leftMs }) => (leftMs === null ? `${number}=${address}` : [])).join(' ');

/** Answers as [ms, "a b c"], and what is seated after each. */
function follow(...steps: [number, string, string][]): void {
  let seating = NOBODY;
  for (const [nowMs, addresses, expected] of steps) {
    seating = answer(seating, addresses.split(' ').filter(Boolean), nowMs);
    assert.is(shown(seating), expected, `at ${nowMs} ms, [${addresses}]`);
  }
}

test('from nothing: in the order of addresses, whatever the order of the answer', () => {
  follow([0, 'c a b', '1=a 2=b 3=c'], [1, 'b c a', '1=a 2=b 3=c']);
});

test('a new address takes the seat of one that went', () => {
  follow([0, 'a b c', '1=a 2=b 3=c'], [1, 'a c d', '1=a 2=d 3=c'], [2, 'd e f', '1=e 2=d 3=f']);
});

test('also when there is a time between, and the one that went comes back to its own', () => {
  follow(
    [0, 'a b c', '1=a 2=b 3=c'],
    [1, 'a', '1=a'],
    [50_000, 'a c', '1=a 3=c'],
    [50_001, 'a c d', '1=a 2=d 3=c'],
  );
});

test('the seat that was left last is taken first', () => {
  follow(
    [0, 'a b c', '1=a 2=b 3=c'],
    [1, 'b c', '2=b 3=c'],
    [2, 'b', '2=b'],
    [3, 'b d', '2=b 3=d'],
    [4, 'b d e', '1=e 2=b 3=d'],
  );
});

test('a rolling restart that shows the new one first moves nothing', () => {
  follow(
    [0, 'a b c', '1=a 2=b 3=c'],
    [1_000, 'a b c d', '1=a 2=b 3=c'],
    [2_000, 'b c d', '1=d 2=b 3=c'],
    [3_000, 'b c d e', '1=d 2=b 3=c'],
    [4_000, 'c d e', '1=d 2=e 3=c'],
  );
});

test('one more for good gets a seat of its own after the hold', () => {
  follow(
    [0, 'a b', '1=a 2=b'],
    [1_000, 'a b c', '1=a 2=b'],
    [5_999, 'a b c', '1=a 2=b'],
    [6_000, 'a b c', '1=a 2=b 3=c'],
  );
  const seating = answer(answer(NOBODY, ['a'], 0), ['a', 'b'], 1_000);
  assert.is(seatDueMs(seating, HOLD), 6_000);
  assert.is(seatDueMs(NOBODY, HOLD), Number.POSITIVE_INFINITY);
});

test('an empty seat is forgotten after its time', () => {
  follow(
    [0, 'a b c', '1=a 2=b 3=c'],
    [1, 'a', '1=a'],
    [60_001, 'a', '1=a'],
    [60_002, 'a d', '1=a'],
    [65_002, 'a d', '1=a 2=d'],
  );
});

test('groups know nothing of each other', () => {
  const both = (one: string[], two: string[]): Map<string, Set<string>> =>
    new Map([
      ['one', new Set(one)],
      ['two', new Set(two)],
    ]);
  const rules = { nowMs: 0, holdMs: HOLD, forgetMs: FORGET };
  const before = seatAll(NOBODY, both(['a'], ['b']), rules);
  const after = seatAll(before, both(['c'], ['b']), rules);
  assert.equal(
    after.seats.map(({ group, number, address }) => `${group}${number}=${address}`),
    ['one1=c', 'two1=b'],
  );
});

test('names of seats', () => {
  assert.is(seatName({ group: 'web:80', number: 1 }, false), 'web:80~1');
  assert.is(seatName({ group: 'web-0.web', number: 1 }, true), 'web-0.web');
  assert.is(seatName({ group: 'web-0.web', number: 2 }, true), 'web-0.web~2');
});

test('a name that only spells an address names nobody', () => {
  assert.ok(isMadeOf('10-0-0-5.web.default.svc.cluster.local', '10.0.0.5'));
  assert.ok(isMadeOf('ip-10-0-0-5.eu-central-1.compute.internal', '10.0.0.5'));
  assert.ok(isMadeOf('0a000005.addr.dc1.consul', '10.0.0.5'));
  assert.ok(isMadeOf('fd00--5.web.svc', 'fd00::5'));
  assert.ok(isMadeOf('fd000000000000000000000000000005.addr.dc1.consul', 'fd00::5'));
  assert.not(isMadeOf('web-0.web', '10.0.0.5'));
  assert.not(isMadeOf('10-0-0-6.web', '10.0.0.5'));
  assert.not(isMadeOf('node1.node.dc1.consul', '10.0.0.5'));
  assert.not(isMadeOf('', '10.0.0.5'));
});

const anAddress = fc.constantFrom(...'abcdefghij');
const anAnswer = fc.record({
  addresses: fc.uniqueArray(anAddress, { maxLength: 8 }),
  afterMs: fc.oneof(fc.nat(3_000), fc.nat(100_000)),
});

test('whatever the answers: nobody who stays moves, nobody has two seats, and all sit in the end', () => {
  fc.assert(
    fc.property(fc.array(anAnswer, { minLength: 1, maxLength: 20 }), answers => {
      let seating = NOBODY;
      let nowMs = 0;
      for (const { addresses, afterMs } of answers) {
        nowMs += afterMs;
        const before = new Map(
          seating.seats.flatMap(each => (each.leftMs === null ? [[each.address, each.number]] : [])),
        );
        seating = answer(seating, addresses, nowMs);
        const reversed = answer(seating, [...addresses].reverse(), nowMs);
        assert.equal(reversed, seating, 'the order of answers means nothing, nor does asking twice');
        const sitting = seating.seats.filter(each => each.leftMs === null);
        for (const { address, number } of sitting) {
          assert.ok(addresses.includes(address));
          if (before.has(address)) assert.is(number, before.get(address));
        }
        assert.is(new Set(seating.seats.map(each => each.number)).size, seating.seats.length);
        assert.is(new Set(sitting.map(each => each.address)).size, sitting.length);
        const waiting = seating.waiting.map(each => each.address);
        assert.equal([...sitting.map(each => each.address), ...waiting].sort(), [...addresses].sort());
      }
      const last = answers.at(-1)!.addresses;
      const later = answer(seating, last, nowMs + HOLD);
      assert.is(later.waiting.length, 0);
    }),
    { numRuns: 2_000 },
  );
});

test('as many as before have the same seats: only the seats of those that went change hands', () => {
  const two = fc.uniqueArray(anAddress, { minLength: 2, maxLength: 8 });
  fc.assert(
    fc.property(
      two,
      fc.uniqueArray(anAddress, { minLength: 8, maxLength: 8 }),
      fc.nat(8),
      (first, others, stay) => {
        const before = answer(NOBODY, first, 0);
        const staying = first.slice(0, stay);
        const next = [...staying, ...others.filter(each => !first.includes(each))].slice(0, first.length);
        if (next.length < first.length) return;
        const after = answer(before, next, 1);
        assert.equal(
          after.seats.map(each => each.number),
          before.seats.map(each => each.number),
        );
        const moved = after.seats.filter((seat, index) => seat.address !== before.seats[index]!.address);
        assert.is(moved.length, first.length - staying.length);
      },
    ),
    { numRuns: 2_000 },
  );
});

test.run();
