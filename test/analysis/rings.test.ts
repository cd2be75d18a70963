// The offline half of `npm run analyze`: the same seed gives the same figures, the exchangeable circle is the
// assignment's when given its parts, and the figures are those of plain definitions.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assignmentPhi, circleTable, hashedPhi } from '../../native-free-bench/analyze/circle.ts';
import { randomKeys, sequentialKeys } from '../../native-free-bench/analyze/load.ts';
import { type Offline, predicted, slotsOf, studyRings } from '../../native-free-bench/analyze/rings.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { murmurHash } from '../../src/ring/hash.ts';

const KEYS = { sequential: sequentialKeys(1000), random: randomKeys(1000, 7) };
const TIMES = new Set(['lookupNs', 'buildMs', 'ns']);
const withoutTimes = (study: Offline): string =>
  JSON.stringify(study, (name, value) => (TIMES.has(name) ? 0 : value));

const study = studyRings(KEYS, 7);

const rings = suite('analysis/rings');

rings('the same seed gives the same figures, another seed other keys', () => {
  assert.is(withoutTimes(studyRings(KEYS, 7)), withoutTimes(study));
  assert.equal(randomKeys(1000, 7), KEYS.random);
  assert.not.equal(randomKeys(1000, 8), KEYS.random);
});

rings('random ids have six digits', () => {
  assert.ok(KEYS.random.every(key => /^[1-9]\d{5}$/.test(key)));
});

rings('with the parts of the assignment the circle is its ring', () => {
  for (const n of [2, 3, 6, 56]) {
    const slots = slotsOf(n);
    const table = circleTable(slots, 512, 9, assignmentPhi);
    assert.equal(table.choices, createTableBuilder('assignment', 512).update(slots).choices);
  }
});

rings('a circle that its points do not fit is refused', () => {
  assert.throws(() => circleTable(slotsOf(57), 512, 9, hashedPhi(murmurHash)), /do not fit/);
});

rings('the historical rings come out as published', () => {
  assert.equal(predicted('seed', 3, sequentialKeys(10_000)), [3650, 3412, 2938]);
  assert.equal(predicted('assignment', 3, sequentialKeys(10_000)), [8435, 470, 1095]);
});

rings('every key is counted once, in every ring, hash and size', () => {
  const spreads = [
    ...study.rings.flatMap(row => [...row.sequential, ...row.random]),
    ...study.ringByHash.flatMap(cell => [...cell.sequential, ...cell.random]),
    ...study.hByPhi.flatMap(cell => cell.sequential),
  ];
  for (const { n, counts } of spreads) {
    assert.is(counts.length, n);
    assert.is(
      counts.reduce((sum, count) => sum + count, 0),
      1000,
    );
  }
});

rings('rendezvous moves no key between slots that stay', () => {
  const { movements } = study.rings.find(({ ring }) => ring === 'rendezvous')!;
  assert.equal(
    movements.map(({ from, to, needless }) => [from, to, needless]),
    [
      [3, 4, 0],
      [3, 2, 0],
      [6, 7, 0],
      [6, 5, 0],
    ],
  );
  for (const { moved, optimum } of movements) assert.ok(Math.abs(moved - optimum) < 0.05);
});

rings('more points even out the circle', () => {
  const mean = (points: number): number =>
    study.points.find(row => row.points === points && row.n === 3)!.mean;
  assert.ok(mean(1) > mean(9) && mean(9) > mean(160) && mean(160) > 1);
});

rings.run();
