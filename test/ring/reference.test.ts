// Each builder against a slow and obvious one: for every row, look at everything. The references share the hashes of
// the builders (hash.test.ts checks those) and nothing else.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTableBuilder, rowsOf } from '../../src/ring/build.ts';
import { murmurHash, numberOf, seedHash } from '../../src/ring/hash.ts';
import { preferenceOf } from '../../src/ring/maglev.ts';
import { scoreOf } from '../../src/ring/rendezvous.ts';
import { POINTS_PER_SLOT, pointOf } from '../../src/ring/ring.ts';
import { byName, CHOICES, NONE, type RingSlot } from '../../src/ring/table.ts';
import { ALGORITHMS, named, rowChoices } from './support.ts';

type Reference = (slots: readonly RingSlot[], rows: number) => number[][];

const first = (ids: readonly number[]): number[] => {
  const distinct = [...new Set(ids)].slice(0, CHOICES);
  return [...distinct, ...new Array<number>(CHOICES - distinct.length).fill(NONE)];
};
const everyRow = (rows: number, choices: (row: number) => number[]): number[][] =>
  Array.from({ length: rows }, (_, row) => first(choices(row)));
const hashOf = (text: string): number => murmurHash(text, 0, text.length);

const rendezvous: Reference = (slots, rows) =>
  everyRow(rows, row => {
    const score = (slot: RingSlot): number => scoreOf(hashOf(slot.name), row);
    return [...slots].sort((a, b) => score(b) - score(a) || byName(a, b)).map(slot => slot.id);
  });

const ring: Reference = (slots, rows) => {
  const points = slots.flatMap(slot =>
    Array.from({ length: POINTS_PER_SLOT }, (_, index) => ({ at: pointOf(slot, index), slot })),
  );
  points.sort((a, b) => a.at - b.at || byName(a.slot, b.slot));
  return everyRow(rows, row => {
    const at = (row * 2 ** 32) / rows;
    return [...points.filter(point => point.at >= at), ...points].map(point => point.slot.id);
  });
};

const maglev: Reference = (slots, rows) => {
  const sorted = [...slots].sort(byName);
  const lists = sorted.map(slot => {
    const { offset, skip } = preferenceOf(slot);
    return Array.from({ length: rows }, (_, j) =>
      Number((BigInt(offset) + BigInt(j) * BigInt(skip)) & BigInt(rows - 1)),
    );
  });
  const owners = new Map<number, number>();
  for (let turn = 0; owners.size < rows && sorted.length > 0; turn++) {
    const row = lists[turn % sorted.length]!.find(candidate => !owners.has(candidate))!;
    owners.set(row, sorted[turn % sorted.length]!.id);
  }
  return everyRow(rows, row =>
    sorted.length === 0 ? [] : Array.from({ length: rows }, (_, step) => owners.get((row + step) % rows)!),
  );
};

/** `places` filled slot by slot in the order of names; rows read clockwise. */
function probing(
  slots: readonly RingSlot[],
  rows: number,
  points: number,
  pointAt: (slot: RingSlot, index: number) => number,
  step: (index: number) => number,
): number[][] {
  const places = new Array<number>(rows).fill(NONE);
  for (const slot of [...slots].sort(byName)) {
    for (let index = 0; index < points; index++) {
      const start = pointAt(slot, index);
      const tries = Array.from({ length: rows }, (_, k) => (start + k * step(index)) % rows);
      places[tries.find(place => places[place] === NONE)!] = slot.id;
    }
  }
  return everyRow(rows, row => [...places.slice(row), ...places.slice(0, row)].filter(id => id !== NONE));
}

const assignment: Reference = (slots, rows) =>
  probing(
    slots,
    rows,
    9,
    ({ name }, j) => {
      const i = BigInt(numberOf(name, 0, name.length) >>> 0);
      return Number((i * i + BigInt(j * j + 2 * j + 25)) % BigInt(rows));
    },
    () => 1,
  );

const seed: Reference = (slots, rows) =>
  probing(
    slots,
    rows,
    100,
    ({ name }, v) => seedHash(`${name}-${v}`, 0, name.length + 1 + String(v).length) & (rows - 1),
    v => 2 * v + 1,
  );

const REFERENCES: Readonly<Record<(typeof ALGORITHMS)[number], Reference>> = {
  rendezvous,
  ring,
  maglev,
  assignment,
  seed,
};

const reference = suite('ring/reference');
const labels = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);

for (const algorithm of ALGORITHMS) {
  reference(`${algorithm}: any set of slots, row by row`, () => {
    const setOfNames = fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 600 }).map(String), labels), {
      maxLength: 10,
    });
    fc.assert(
      fc.property(setOfNames, names => {
        const slots = named(names);
        const table = createTableBuilder(algorithm, 64).update(slots);
        const rows = Array.from({ length: table.rows }, (_, row) => rowChoices(table, row));
        assert.equal(rows, REFERENCES[algorithm](slots, rowsOf(algorithm, 64)));
      }),
      { numRuns: 25 },
    );
  });
}

reference.run();
