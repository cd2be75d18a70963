// What holds for every table, whatever built it: it depends on the set of slots alone, its choices are distinct, its
// balance and movement are within the bounds that docs/decisions/0002 measured, and misuse is refused.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { balanceOf, keysPerSlot, placesPerSlot } from '../../src/analysis/balance.ts';
import { remapOf } from '../../src/analysis/remap.ts';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { createTableBuilder, slotsFault, tableChecksum } from '../../src/ring/build.ts';
import { keyHashFor, murmurHash } from '../../src/ring/hash.ts';
import { POINTS_PER_SLOT, pointOf } from '../../src/ring/ring.ts';
import { CHOICES, makeTable, NONE, type RingSlot, type Table } from '../../src/ring/table.ts';
import { ALGORITHMS, named, numbered, requestsPerSlot, rowChoices } from './support.ts';

const build = suite('ring/build');
const ROWS = 65_536;
const tableOf = (algorithm: RingAlgorithm, slots: readonly RingSlot[], rows = ROWS): Table =>
  createTableBuilder(algorithm, rows).update(slots);

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Slots with stable ids, as the supervisor hands them out: the lowest free one. */
class Membership {
  readonly slots: RingSlot[] = [];
  toggle(name: string): void {
    const index = this.slots.findIndex(slot => slot.name === name);
    if (index >= 0) {
      this.slots.splice(index, 1);
      return;
    }
    let id = 0;
    while (this.slots.some(slot => slot.id === id)) id++;
    this.slots.push({ id, name });
  }
}

for (const algorithm of ALGORITHMS) {
  build(`${algorithm}: any history gives the table that a fresh build gives`, () => {
    const steps = fc.array(fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 4 }), { maxLength: 12 });
    fc.assert(
      fc.property(steps, history => {
        const builder = createTableBuilder(algorithm, 512);
        const membership = new Membership();
        for (const toggled of history) {
          for (const name of toggled) membership.toggle(String(name));
          const before = [...membership.slots];
          const table = builder.update(membership.slots);
          assert.equal(membership.slots, before, 'the argument is left alone');
          assert.equal(table.choices, tableOf(algorithm, [...before].reverse(), 512).choices);
        }
      }),
      { numRuns: 60 },
    );
  });

  build(`${algorithm}: ids are only written, names are hashed`, () => {
    const plain = tableOf(algorithm, numbered(7), 512);
    const shifted = tableOf(
      algorithm,
      numbered(7).map(({ id, name }) => ({ id: 900 - 100 * id, name })),
      512,
    );
    assert.equal(
      shifted.choices,
      plain.choices.map(id => 900 - 100 * id),
    );
  });

  build(`${algorithm}: a row has 3 distinct slots, or all there are`, () => {
    for (const count of [0, 1, 2, 3, 4, 9, 10]) {
      const table = tableOf(algorithm, numbered(count), 512);
      for (let row = 0; row < table.rows; row++) {
        const choices = rowChoices(table, row);
        const present = choices.filter(id => id !== NONE);
        assert.is(present.length, Math.min(count, CHOICES));
        assert.is(new Set(present).size, present.length);
        assert.ok(present.every(id => id < count));
        assert.equal(choices.slice(present.length), new Array(CHOICES - present.length).fill(NONE));
      }
    }
  });

  build(`${algorithm}: an update leaves the table before it as it was`, () => {
    const builder = createTableBuilder(algorithm, 512);
    const old = builder.update(numbered(5));
    const copy = old.choices.slice();
    assert.is.not(builder.update(numbered(4)).choices, old.choices);
    assert.equal(old.choices, copy);
  });

  build(`${algorithm}: refuses what it cannot hold, in plain words`, () => {
    const builder = createTableBuilder(algorithm, 512);
    assert.is(slotsFault(algorithm, builder.maxSlots), null);
    assert.is(
      slotsFault(algorithm, builder.maxSlots + 1),
      `the ${algorithm} ring holds at most ${builder.maxSlots} slots`,
    );
    assert.throws(() => builder.update(numbered(builder.maxSlots + 1)), /holds at most/);
    assert.throws(() => builder.update(named(['1', '1'])), /one name/);
    assert.throws(
      () =>
        builder.update([
          { id: 1, name: 'a' },
          { id: 1, name: 'b' },
        ]),
      /one id/,
    );
    for (const id of [-1, 1.5, NONE, Number.NaN]) {
      assert.throws(() => builder.update([{ id, name: 'a' }]), /no slot id/);
    }
    for (const rows of [0, 3, 1000, 0.5, -8])
      assert.throws(() => createTableBuilder(algorithm, rows), /power of two/);
  });

  build(`${algorithm}: as many slots as it holds`, () => {
    const builder = createTableBuilder(algorithm, ROWS);
    const slots = numbered(builder.maxSlots);
    const startMs = performance.now();
    const table = builder.update(slots);
    print(`${algorithm}: ${slots.length} slots in ${(performance.now() - startMs).toFixed(0)} ms`);
    const rows = placesPerSlot(table, slots);
    assert.is(
      rows.reduce((sum, count) => sum + count, 0),
      table.rows,
    );
    assert.ok(
      rows.every(count => count > 0),
      'every slot owns a row',
    );
  });
}

build('with default settings, requests 1..10000 on 3 slots: max/mean below 1.03', () => {
  const { maxToMean } = balanceOf(requestsPerSlot(tableOf('rendezvous', numbered(3)), 3, 10_000));
  assert.ok(maxToMean < 1.03, `${maxToMean}`);
});

// Five deviations above what chance gives: rows / N rows a slot, deviation sqrt(rows / N) for rendezvous; a slot of
// `ring` has 160 arcs of the circle, deviation 1 / sqrt(160) of its share; maglev deals rows out in turns.
const WORST_BALANCE: Readonly<Record<string, (count: number) => number>> = {
  rendezvous: count => 1 + 5 / Math.sqrt(ROWS / count),
  ring: () => 1 + 5 / Math.sqrt(160),
  maglev: count => 1 + count / ROWS,
};

for (const [name, worst] of Object.entries(WORST_BALANCE)) {
  const algorithm = name as RingAlgorithm;
  build(`${algorithm}: balance of the rows and of keys`, () => {
    for (const count of [2, 3, 4, 5, 6, 20, 100]) {
      const slots = numbered(count);
      const table = tableOf(algorithm, slots);
      const rows = balanceOf(placesPerSlot(table, slots)).maxToMean;
      assert.ok(rows <= worst(count), `N = ${count}: rows ${rows}`);
      const paths = Array.from({ length: 10_000 }, (_, index) => `/users/${index}/posts`);
      const keys = balanceOf(keysPerSlot(table, keyHashFor(algorithm), slots, paths)).maxToMean;
      assert.ok(keys <= rows + 5 / Math.sqrt(paths.length / count), `N = ${count}: keys ${keys}`);
    }
  });

  build(`${algorithm}: moved rows on one slot more and one less`, () => {
    for (const count of [3, 6, 20, 100]) {
      const before = { table: tableOf(algorithm, numbered(count)), slots: numbered(count) };
      for (const size of [count - 1, count + 1]) {
        const after = { table: tableOf(algorithm, numbered(size)), slots: numbered(size) };
        const { moved, optimum, pairs } = remapOf(before, after);
        // Maglev moves up to twice what it must (Envoy's word for it); the others only what their own share is.
        assert.ok(
          moved <= optimum * (algorithm === 'maglev' ? 2 : worst(count)),
          `N = ${count} to ${size}: ${moved}`,
        );
        if (algorithm === 'maglev') continue;
        // Nothing moves between slots that stay.
        const changed = String(Math.max(count, size));
        assert.ok(pairs.every(pair => (size > count ? pair.to : pair.from) === changed));
      }
    }
  });
}

build('rendezvous: two names of one hash tie in every row, and the order of names decides', () => {
  const [a, b] = collidingNames();
  const slots = [a, b, 'x', 'y'].map((name, id) => ({ id, name }));
  const table = tableOf('rendezvous', slots, 512);
  const grown = createTableBuilder('rendezvous', 512);
  for (const ids of [[1], [1, 3], [0, 1, 3], [0, 3], [3, 2, 1, 0]]) grown.update(ids.map(id => slots[id]!));
  assert.equal(grown.update(slots).choices, table.choices);
  for (let row = 0; row < table.rows; row++) {
    const choices = rowChoices(table, row);
    if (choices.includes(1)) assert.is(choices.indexOf(0), choices.indexOf(1) - 1);
  }
});

/** Two names of equal length with one murmurHash, in the order of names; a birthday finds them among some 100,000. */
function collidingNames(): [string, string] {
  const seen = new Map<number, string>();
  for (let number = 36 ** 5; number < 36 ** 5 + 2_000_000; number++) {
    const name = number.toString(36);
    const hash = murmurHash(name, 0, name.length);
    const other = seen.get(hash);
    if (other !== undefined) return [other, name];
    seen.set(hash, name);
  }
  throw new Error('no two names of one hash');
}

build('ring: a point exactly where a row stands owns the row', () => {
  const rows = 2 ** 20;
  const step = 2 ** 32 / rows;
  for (let number = 1; ; number++) {
    const slot = { id: 0, name: String(number) };
    const points = Array.from({ length: POINTS_PER_SLOT }, (_, point) => pointOf(slot, point));
    const exact = points.find(point => point % step === 0);
    if (exact === undefined) continue;
    const table = tableOf('ring', [slot, { id: 1, name: 'z-is-later' }], rows);
    assert.is(rowChoices(table, exact / step)[0], 0);
    return;
  }
});

build("rendezvous: a lost slot's rows go to their second choices, spread over all others", () => {
  const before = tableOf('rendezvous', numbered(6));
  const lost = 2;
  const after = tableOf(
    'rendezvous',
    numbered(6).filter(slot => slot.id !== lost),
  );
  const heirs = new Array<number>(6).fill(0);
  for (let row = 0; row < ROWS; row++) {
    const [owner, second] = rowChoices(before, row);
    const now = rowChoices(after, row)[0]!;
    assert.is(now, owner === lost ? second : owner);
    if (owner === lost) heirs[now]!++;
  }
  const { maxToMean } = balanceOf(heirs.filter((_, id) => id !== lost));
  assert.ok(maxToMean < 1.1, `${heirs}`);
});

build(
  'slots called by addresses: another order is the same table, and the first of four moves its own rows alone',
  () => {
    // Probing and maglev's turns let others move too; as measured (docs/decisions/0015-given-upstreams.md).
    const inVain = { rendezvous: 0, ring: 0, maglev: 0.01, assignment: 0.01, seed: 0.1 } as const;
    for (const algorithm of ALGORITHMS) {
      for (let net = 0; net < 10; net++) {
        const names = [1, 2, 3, 4].map(host => `10.0.${net}.${host}:80`);
        const ownersOf = (list: readonly string[]): string[] => {
          const table = tableOf(algorithm, named(list));
          return Array.from({ length: table.rows }, (_, row) => list[rowChoices(table, row)[0]!]!);
        };
        const all = ownersOf(names);
        assert.equal(ownersOf([names[3]!, names[1]!, names[2]!, names[0]!]), all, algorithm);
        const less = ownersOf(names.slice(1));
        const moved = all.filter((owner, row) => owner !== names[0] && less[row] !== owner).length;
        assert.ok(moved / all.length <= inVain[algorithm], `${algorithm}: ${moved} of ${all.length}`);
      }
    }
  },
);

build('one slot more or less at N = 100: printed, not asserted', () => {
  for (const algorithm of ['rendezvous', 'ring', 'maglev'] as const) {
    const builder = createTableBuilder(algorithm, ROWS);
    builder.update(numbered(100));
    const times = [99, 100, 101, 100].map(size => {
      const startMs = performance.now();
      builder.update(numbered(size));
      return (performance.now() - startMs).toFixed(1);
    });
    print(`${algorithm}: -1, +1, +1, -1 at N = 100 in ${times.join(', ')} ms`);
  }
});

build('the checksum tells tables apart, and is the same for equal ones', () => {
  const table = tableOf('rendezvous', numbered(3));
  assert.is(tableChecksum(table), tableChecksum(tableOf('rendezvous', numbered(3))));
  assert.is(tableChecksum(table), tableChecksum(makeTable('rendezvous', structuredClone(table.choices))));
  assert.is(tableChecksum(table), tableChecksum(table) >>> 0);
  assert.is.not(tableChecksum(table), tableChecksum(makeTable('maglev', table.choices)), 'another key hash');
  for (const index of [0, 1, table.choices.length - 1]) {
    const damaged = table.choices.slice();
    damaged[index]! ^= 1;
    assert.is.not(tableChecksum(table), tableChecksum(makeTable('rendezvous', damaged)));
  }
  const swapped = table.choices.slice();
  [swapped[0], swapped[1]] = [swapped[1]!, swapped[0]!];
  assert.is.not(tableChecksum(table), tableChecksum(makeTable('rendezvous', swapped)));
  assert.is.not(tableChecksum(tableOf('ring', [], 512)), tableChecksum(tableOf('ring', [], 1024)));
  for (let warm = 0; warm < 20; warm++) tableChecksum(table);
  const startMs = performance.now();
  tableChecksum(table);
  print(`checksum of ${ROWS} rows in ${(performance.now() - startMs).toFixed(2)} ms`);
});

build.run();
