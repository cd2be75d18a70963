// Who sits where: by hand for the cases that people meet, and by properties for all others: who stays does not move, a
// newcomer takes the seat of one that went, and everybody who is there has exactly one.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Claim, type Presence, seat } from '../../src/drivers/follow/seats.ts';

const test = suite('follow seats');

/** "a", "b:2" (names seat 2), "c:2+" (coming), "d-" (ended), "e~" (going). */
function claim(text: string): Claim {
  const [, id = '', name, mark = ''] = /^(\w+)(?::(\w+))?([+~-]?)$/.exec(text)!;
  const presence: Record<string, Presence> = { '': 'here', '+': 'coming', '~': 'going', '-': 'ended' };
  return { id, seat: name ?? null, presence: presence[mark]! };
}

/** The seats after each list of claims, as "1a 2b". */
function seatings(...lists: string[]): string[] {
  let held: ReadonlyMap<string, string> = new Map();
  return lists.map(list => {
    held = seat(held, list.split(' ').filter(Boolean).map(claim));
    return [...held].map(([name, id]) => `${name}${id}`).join(' ');
  });
}

test('without names: the oldest first, newcomers where somebody went, else at the end', () => {
  assert.equal(seatings('a b c', 'b c', 'b c d', 'b d e f'), [
    '1a 2b 3c',
    '2b 3c',
    '1d 2b 3c',
    '1d 2b 3e 4f',
  ]);
});

test('all replaced at once: the same seats', () => {
  assert.equal(seatings('a b c', 'd e f'), ['1a 2b 3c', '1d 2e 3f']);
});

test('one that has ended keeps its seat until somebody comes', () => {
  assert.equal(seatings('a b', 'a- b', 'a- b c', 'a b c'), ['1a 2b', '1a 2b', '1c 2b', '1c 2b 3a']);
  assert.equal(seatings('old- a'), ['1a'], 'what ended before anybody looked has none');
});

test('one that is told to stop, or is started again, keeps its seat', () => {
  assert.equal(seatings('a b', 'a~ b c', 'a+ b c'), ['1a 2b', '1a 2b 3c', '1a 2b 3c']);
});

test('who is only just made has no seat yet', () => {
  assert.equal(seatings('a b+', 'a b'), ['1a', '1a 2b']);
});

test('Compose recreates: the number goes from one to the next when the old one is gone', () => {
  assert.equal(seatings('a:1 b:2', 'a:1 b:2 c:2+', 'a:1 b:2~ c:2+', 'a:1 b:2- c:2+', 'a:1 c:2+', 'a:1 c:2'), [
    '1a 2b',
    '1a 2b',
    '1a 2b',
    '1a 2c',
    '1a 2c',
    '1a 2c',
  ]);
});

test('of two that are here under one name the newer has the seat', () => {
  assert.equal(seatings('a:x', 'a:x b:x', 'b:x'), ['xa', 'xb', 'xb']);
});

test('a name drives one without a name away', () => {
  assert.equal(seatings('a b', 'a b c:1'), ['1a 2b', '1c 2b 3a']);
});

const presences: Presence[] = ['here', 'here', 'here', 'going', 'coming', 'ended'];
const claims = fc.uniqueArray(fc.nat(30), { maxLength: 12 }).chain(ids =>
  fc.tuple(
    ...ids.map(id =>
      fc.record({
        id: fc.constant(`c${id}`),
        seat: fc.oneof(
          { weight: 3, arbitrary: fc.constant(null) },
          { weight: 1, arbitrary: fc.constantFrom('1', '3', 'x') },
        ),
        presence: fc.constantFrom(...presences),
      }),
    ),
  ),
);
const histories = fc.array(claims, { minLength: 1, maxLength: 6 });

/** Calls back with each step of a history: before, who is there, after. */
function eachStep(
  history: readonly (readonly Claim[])[],
  look: (
    held: ReadonlyMap<string, string>,
    there: readonly Claim[],
    next: ReadonlyMap<string, string>,
  ) => void,
): void {
  let held: ReadonlyMap<string, string> = new Map();
  for (const there of history) {
    const next = seat(held, there);
    look(held, there, next);
    held = next;
  }
}

const check = (look: Parameters<typeof eachStep>[1]): void =>
  fc.assert(
    fc.property(histories, history => eachStep(history, look)),
    { numRuns: 500 },
  );

test('everybody without a name who is here has exactly one seat, and nobody has who is not there', () => {
  check((_, there, next) => {
    const seated = [...next.values()];
    assert.is(new Set(seated).size, seated.length);
    const ids = new Set(there.map(({ id }) => id));
    assert.ok(seated.every(id => ids.has(id)));
    for (const each of there)
      if (each.seat === null && each.presence === 'here') assert.ok(seated.includes(each.id), each.id);
  });
});

test('a name is held by one that names it, and nobody who names it is further along', () => {
  const order: Presence[] = ['here', 'going', 'coming', 'ended'];
  check((_, there, next) => {
    for (const each of there) {
      if (each.seat === null) continue;
      const holder = there.find(({ id }) => id === next.get(each.seat!))!;
      assert.is(holder.seat, each.seat);
      assert.ok(order.indexOf(holder.presence) <= order.indexOf(each.presence));
    }
  });
});

test('who stays does not move, unless somebody names the seat', () => {
  check((held, there, next) => {
    const named = new Set(there.map(each => each.seat));
    for (const [name, id] of held) {
      const stays = there.find(each => each.id === id);
      if (stays?.seat === null && stays.presence !== 'ended' && !named.has(name))
        assert.is(next.get(name), id);
    }
  });
});

test('no seat is new while one that was left is free', () => {
  check((held, there, next) => {
    const isNew = [...next.keys()].some(name => !held.has(name) && !there.some(each => each.seat === name));
    const left = [...held.keys()].filter(name => {
      const holder = there.find(({ id }) => id === next.get(name));
      return holder === undefined || (holder.seat === null && holder.presence === 'ended');
    });
    if (isNew) assert.equal(left, []);
  });
});

test('asked again, the same', () => {
  check((_, there, next) => assert.equal(seat(next, there), next));
});

test.run();
