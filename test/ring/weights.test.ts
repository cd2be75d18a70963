// Slots of unequal weight: shares follow the weights, another weight moves keys only to or from its slot where the algorithm
// promises that, and a table depends on slots and weights alone, whatever it was built from.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placesPerSlot } from '../../src/analysis/balance.ts';
import { remapOf } from '../../src/analysis/remap.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import type { RingSlot } from '../../src/ring/table.ts';

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
