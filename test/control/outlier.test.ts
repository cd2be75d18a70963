// What complaints are worth, as a table.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Complaints,
  countComplaint,
  ejectionMs,
  judgeHint,
  mostEjected,
  OUTLIER_WINDOW_MS,
  type Verdict,
} from '../../src/control/outlier.ts';
import type { SuspectHint } from '../../src/core/types.ts';

const test = suite('outlier');

/** cause, complaints so far, slots, ready, ejected -> verdict */
const table: [SuspectHint['cause'], number, number, number, number, Verdict][] = [
  ['refused', 1, 3, 3, 0, 'doubt'],
  ['reset', 1, 3, 3, 0, 'doubt'],
  ['timeout', 1, 3, 3, 0, 'note'],
  ['error', 4, 3, 3, 0, 'note'],
  ['error', 5, 3, 3, 0, 'eject'],
  ['timeout', 5, 3, 3, 0, 'eject'],
  ['reset', 5, 3, 3, 0, 'eject'],
  ['error', 5, 3, 2, 1, 'note'],
  ['reset', 5, 3, 2, 1, 'doubt'],
  ['error', 50, 3, 1, 0, 'note'],
  ['error', 50, 1, 1, 0, 'note'],
  ['error', 5, 2, 2, 0, 'eject'],
  ['error', 5, 9, 7, 2, 'eject'],
  ['error', 5, 9, 6, 3, 'note'],
];
for (const [cause, count, slotCount, readyCount, ejectedCount, expected] of table) {
  const around = { slotCount, readyCount, ejectedCount };
  test(`${cause} number ${count} with ${JSON.stringify(around)}: ${expected}`, () => {
    assert.is(judgeHint(cause, { count, sinceMs: 0 }, around), expected);
  });
}

test('complaints add up within the window and are forgotten after it', () => {
  let complaints: Complaints | null = null;
  for (const atMs of [0, 10, OUTLIER_WINDOW_MS]) complaints = countComplaint(complaints, atMs);
  assert.equal(complaints, { count: 3, sinceMs: 0 });
  assert.equal(countComplaint(complaints, OUTLIER_WINDOW_MS + 1), {
    count: 1,
    sinceMs: OUTLIER_WINDOW_MS + 1,
  });
});

test('a share of the slots, one at least', () => {
  assert.equal([1, 2, 3, 5, 6, 100].map(mostEjected), [1, 1, 1, 1, 2, 33]);
});

test('ejections grow up to a cap', () => {
  assert.equal([1, 2, 3, 100].map(ejectionMs), [5_000, 10_000, 15_000, 60_000]);
});

test.run();
