// Slots of unequal weight: shares follow the weights, another weight moves keys only to or from its slot where the algorithm
// promises that, and a table depends on slots and weights alone, whatever it was built from.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placesPerSlot } from '../../src/analysis/balance.ts';
import { remapOf } from '../../src/analysis/remap.ts';
import { RINGS, type RingAlgorithm, type UpstreamSpec } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import type { RingSlot } from '../../src/ring/table.ts';
import { choosableOf } from '../../src/routing/choosable.ts';
import { type Pickable, pick } from '../../src/routing/pick.ts';

const weights = suite('ring/weights');
const ROWS = 4096;

const slotsOf = (list: readonly number[]): RingSlot[] =>
  list.map((weight, id) => ({ id, name: `10.0.0.${id + 1}:80`, weight }));
const lists = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 12 });

/** Above chance by five deviations: of rows for rendezvous, of arcs for circles; maglev deals rows out. */
const WORST_ERROR = {
  rendezvous: (share: number) => 5 * Math.sqrt(share / ROWS),
  maglev: () => 16 / ROWS,
  ring: (share: number) => (5 * share) / Math.sqrt(160),
  nginx: (share: number) => (5 * share) / Math.sqrt(160),
  // Sixteen points for a unit of weight.
  haproxy: (share: number) => (5 * share) / Math.sqrt(16),
} as const;

for (const [name, worst] of Object.entries(WORST_ERROR)) {
  const algorithm = name as keyof typeof WORST_ERROR;
  weights(`${algorithm}: shares follow the weights`, () => {
    for (const list of [
      [1, 2],
      [1, 2, 3, 4],
      [5, 1, 1, 1],
      [2, 2, 2],
    ]) {
      const slots = slotsOf(list);
      const table = createTableBuilder(algorithm, ROWS).update(slots);
      const places = placesPerSlot(table, slots);
      const all = places.reduce((sum, each) => sum + each, 0);
      const total = list.reduce((sum, each) => sum + each, 0);
      for (const [index, count] of places.entries()) {
        const share = list[index]! / total;
        assert.ok(
          Math.abs(count / all - share) <= worst(share),
          `${list}: slot ${index} has ${count} of ${all}`,
        );
      }
    }
  });
}

for (const algorithm of ['rendezvous', 'ring', 'nginx', 'haproxy'] as const) {
  weights(`${algorithm}: another weight moves keys to its slot or from it, and no others`, () => {
    fc.assert(
      fc.property(lists, fc.nat(), fc.integer({ min: 1, max: 8 }), (list, at, weight) => {
        const changed = at % list.length;
        const before = slotsOf(list);
        const after = slotsOf(list.map((each, index) => (index === changed ? weight : each)));
        const tableOf = (slots: readonly RingSlot[]) => createTableBuilder(algorithm, ROWS).update(slots);
        const { pairs } = remapOf(
          { table: tableOf(before), slots: before },
          { table: tableOf(after), slots: after },
        );
        const { name } = before[changed]!;
        for (const { from, to } of pairs) assert.is(weight > list[changed]! ? to : from, name);
      }),
      { numRuns: 40 },
    );
  });
}

/** Whom each of many keys is served by, nothing being in flight. */
function servedBy(algorithm: RingAlgorithm, slots: readonly RingSlot[]): number[] {
  const spec = ({ id, weight }: RingSlot) =>
    ({ slotId: id, state: 'ready', weight }) as unknown as UpstreamSpec;
  const pickable: Pickable = {
    table: createTableBuilder(algorithm, ROWS).update(slots),
    slowStart: null,
    ...choosableOf(slots.map(spec)),
    upstreams: slots.map(() => ({ inFlight: 0 })),
  };
  return Array.from({ length: 3000 }, (_, key) => pick(pickable, Math.imul(key + 1, 0x9e3779b1), [], 0, 0));
}

for (const algorithm of RINGS) {
  weights(`${algorithm}: a slot of weight 0 gets nothing, and no key moves but its own`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.nat(), (count, at) => {
        const drained = at % count;
        const before = servedBy(algorithm, slotsOf(new Array(count).fill(1)));
        const after = servedBy(
          algorithm,
          slotsOf(Array.from({ length: count }, (_, index) => (index === drained ? 0 : 1))),
        );
        for (const [key, slot] of before.entries())
          if (slot === drained) assert.is.not(after[key], drained);
          else assert.is(after[key], slot);
      }),
      { numRuns: 25 },
    );
  });
}

for (const algorithm of ['rendezvous', 'ring', 'maglev'] as const) {
  weights(`${algorithm}: a canary of a twentieth of the others' weight`, () => {
    const slots = slotsOf([0.05, 1, 1, 1]);
    const places = placesPerSlot(createTableBuilder(algorithm, 65_536).update(slots), slots);
    const share = places[0]! / 65_536 / (0.05 / 3.05);
    // Eight points of a ring are few.
    const off = algorithm === 'ring' ? 0.9 : 0.15;
    assert.ok(Math.abs(share - 1) < off, `${share} of its share`);
  });
}

for (const algorithm of ['rendezvous', 'ring', 'maglev', 'nginx', 'haproxy', 'ketama'] as const) {
  weights(`${algorithm}: equal weights are no weights, and a table does not know its history`, () => {
    const equal = createTableBuilder(algorithm, ROWS).update(slotsOf([1, 1, 1, 1]));
    // More points for all are other points, but rows and shares of a sum stay.
    if (algorithm === 'rendezvous' || algorithm === 'maglev' || algorithm === 'ketama')
      assert.equal(createTableBuilder(algorithm, ROWS).update(slotsOf([3, 3, 3, 3])).choices, equal.choices);
    fc.assert(
      fc.property(fc.array(lists, { minLength: 1, maxLength: 4 }), lists, (history, last) => {
        const builder = createTableBuilder(algorithm, 512);
        for (const list of history) builder.update(slotsOf(list));
        const fresh = createTableBuilder(algorithm, 512).update(slotsOf(last));
        assert.equal(builder.update(slotsOf(last)).choices, fresh.choices);
      }),
      { numRuns: 15 },
    );
  });
}

weights.run();
