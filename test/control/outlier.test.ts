// What complaints are worth, as a table.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addComplaint,
  type Complaints,
  ejectionMs,
  isDoubt,
  isOutlier,
  mostEjected,
  OUTLIER_WINDOW_MS,
} from '../../src/control/outlier.ts';

const test = suite('outlier');

/** failures in a row, complaints so far, slots, ready, ejected, other slots complained of -> an outlier? */
const table: [number, number, number, number, number, number, boolean][] = [
  [5, 2, 3, 3, 0, 0, true],
  [4.5, 9, 3, 3, 0, 0, false],
  [50, 1, 3, 3, 0, 0, false],
  [5, 2, 3, 2, 1, 0, false],
  [50, 9, 3, 1, 0, 0, false],
  [50, 9, 1, 1, 0, 0, false],
  [5, 2, 2, 2, 0, 0, true],
  [5, 2, 2, 2, 0, 1, false],
  [5, 2, 3, 3, 0, 1, false],
  [5, 2, 9, 7, 2, 0, true],
  [5, 2, 9, 6, 3, 0, false],
  [5, 2, 9, 9, 0, 3, true],
  [5, 2, 9, 9, 0, 4, false],
];
for (const [inRow, count, slotCount, readyCount, ejectedCount, complainedCount, expected] of table) {
  const around = { slotCount, readyCount, ejectedCount, complainedCount };
  test(`${inRow} in a row in ${count} complaints with ${JSON.stringify(around)}: ${expected}`, () => {
    assert.is(isOutlier(inRow, { count, lastMs: 0, answers: 0 }, around), expected);
  });
}

test('one refused or reset connection is a doubt, one slow or broken answer is none', () => {
  assert.equal((['refused', 'reset', 'timeout', 'error'] as const).map(isDoubt), [true, true, false, false]);
});

test('complaints add up while the replica answers nobody, and until there is a long pause', () => {
  let complaints: Complaints | null = null;
  for (const atMs of [0, 10, OUTLIER_WINDOW_MS]) complaints = addComplaint(complaints, 7, atMs);
  assert.equal(complaints, { count: 3, lastMs: OUTLIER_WINDOW_MS, answers: 7 });
  assert.is(addComplaint(complaints, 8, OUTLIER_WINDOW_MS + 1).count, 1, 'an answer in between');
  assert.is(addComplaint(complaints, 2, OUTLIER_WINDOW_MS + 1).count, 1, 'a worker that counts anew');
  assert.is(addComplaint(complaints, 7, 2 * OUTLIER_WINDOW_MS + 1).count, 1, 'a pause');
});

test('a share of the slots, one at least', () => {
  assert.equal([1, 2, 3, 5, 6, 100].map(mostEjected), [1, 1, 1, 1, 2, 33]);
});

test('ejections grow up to a cap', () => {
  assert.equal([1, 2, 3, 100].map(ejectionMs), [5_000, 10_000, 15_000, 60_000]);
});

test.run();
