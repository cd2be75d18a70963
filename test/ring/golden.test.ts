// The two historical rings, to the letter: requests 1..10000 land where the assignment's formulas and the seed project
// put them. The counts were computed from their texts; here each comes out twice, from torc's table and from a plain
// recipe of the text (one array of places, a scan from the request's place).

import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTableBuilder } from '../../src/ring/build.ts';
import { numbered, requestsPerSlot } from './support.ts';

const GOLDEN = {
  assignment: {
    2: [9530, 470],
    3: [8435, 470, 1095],
    4: [8200, 470, 1016, 314],
    5: [7966, 313, 938, 314, 469],
    6: [7887, 313, 938, 314, 469, 79],
  },
  seed: {
    2: [5412, 4588],
    3: [3650, 3412, 2938],
    4: [2605, 2588, 2171, 2636],
    5: [2148, 2104, 1773, 1976, 1999],
    6: [1616, 1793, 1538, 1627, 1760, 1666],
  },
} as const;

const md5Mod = (text: string): number =>
  Number(BigInt(`0x${createHash('md5').update(text).digest('hex')}`) % 1024n);

interface Recipe {
  readonly places: number;
  readonly points: number;
  request(id: number): number;
  point(slot: number, index: number): number;
  step(index: number): number;
}

const RECIPES: Readonly<Record<keyof typeof GOLDEN, Recipe>> = {
  assignment: {
    places: 512,
    points: 9,
    request: id => (id ** 2 + 2 * id + 17) % 512,
    point: (slot, index) => (slot ** 2 + index ** 2 + 2 * index + 25) % 512,
    step: () => 1,
  },
  seed: {
    places: 1024,
    points: 100,
    request: id => md5Mod(String(id)),
    point: (slot, index) => md5Mod(`${slot}-${index}`),
    step: index => 2 * index + 1,
  },
};

function byRecipe(recipe: Recipe, slots: number, requests: number): number[] {
  const owners = new Array<number>(recipe.places).fill(0);
  for (let slot = 1; slot <= slots; slot++) {
    for (let index = 0; index < recipe.points; index++) {
      let place = recipe.point(slot, index);
      while (owners[place] !== 0) place = (place + recipe.step(index)) % recipe.places;
      owners[place] = slot;
    }
  }
  const counts = new Array<number>(slots).fill(0);
  for (let id = 1; id <= requests; id++) {
    let place = recipe.request(id);
    while (owners[place] === 0) place = (place + 1) % recipe.places;
    counts[owners[place]! - 1]!++;
  }
  return counts;
}

const golden = suite('ring/golden');

for (const algorithm of ['assignment', 'seed'] as const) {
  for (const [count, expected] of Object.entries(GOLDEN[algorithm])) {
    golden(`${algorithm}, N = ${count}`, () => {
      const slots = Number(count);
      const table = createTableBuilder(algorithm, 65_536).update(numbered(slots));
      assert.is(table.rows, RECIPES[algorithm].places);
      assert.equal(requestsPerSlot(table, slots, 10_000), [...expected]);
      assert.equal(byRecipe(RECIPES[algorithm], slots, 10_000), [...expected]);
    });
  }
  golden(`${algorithm}, full`, () => {
    const builder = createTableBuilder(algorithm, 65_536);
    const table = builder.update(numbered(builder.maxSlots));
    const counts = byRecipe(RECIPES[algorithm], builder.maxSlots, 10_000);
    assert.equal(requestsPerSlot(table, builder.maxSlots, 10_000), counts);
  });
}

golden.run();
