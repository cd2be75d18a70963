// Which slot serves a key: the row's choices in order, what is skipped, the walks past the row, and bounded load.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHOICES, makeTable, NONE } from '../../src/ring/table.ts';
import { NO_SLOT, pick } from '../../src/routing/pick.ts';
import type { Snapshot } from '../../src/routing/snapshot.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

const picking = suite('pick');

/** Rows of slot ids; `usable` and `inFlight` by slot id. */
function snapshotOf(
  rows: readonly (readonly number[])[],
  usable: readonly number[],
  inFlight: readonly number[] = [],
  weights: readonly number[] = usable,
): Snapshot {
  const choices = rows.flatMap(row => Array.from({ length: CHOICES }, (_, index) => row[index] ?? NONE));
  return {
    epoch: 1,
    checksum: 0,
    table: makeTable('rendezvous', new Uint16Array(choices)),
    keyHash: () => 0,
    upstreams: usable.map((_, slotId) => ({ inFlight: inFlight[slotId] ?? 0 }) as Upstream),
    usable: new Uint8Array(usable),
    usableCount: usable.filter(one => one === 1).length,
    slowStart: null,
    weights: { of: new Float64Array(weights), sum: weights.reduce((sum, each) => sum + each, 0) },
    ids: usable.map((_, slotId) => slotId),
    names: [],
  };
}

picking('the first usable, untried choice of the row', () => {
  const rows = [
    [2, 0, 1],
    [1, 2, 0],
  ];
  assert.is(pick(snapshotOf(rows, [1, 1, 1]), 0, [], 0, 0), 2);
  assert.is(pick(snapshotOf(rows, [1, 1, 1]), 3, [], 0, 0), 1);
  assert.is(pick(snapshotOf(rows, [1, 1, 0]), 0, [], 0, 0), 0);
  assert.is(pick(snapshotOf(rows, [1, 1, 1]), 0, [2, 0], 0, 0), 1);
  assert.is(pick(snapshotOf(rows, [1, 1, 1]), 0, [2, 0, 1], 0, 0), NO_SLOT);
  assert.is(pick(snapshotOf(rows, [0, 0, 0]), 0, [], 0, 0), NO_SLOT);
});

picking('past the row: the following rows, then all slots', () => {
  const rows = [
    [0, 1, 2],
    [3, 0, 1],
  ];
  assert.is(pick(snapshotOf(rows, [0, 0, 0, 1, 1]), 0, [], 0, 0), 3);
  assert.is(pick(snapshotOf(rows, [0, 0, 0, 0, 1]), 0, [], 0, 0), 4, 'in no row at all');
});

picking('bounded load: a hot key never lifts a slot above its bound while others have room', () => {
  for (const factor of [1.05, 1.25, 2, 10]) {
    for (const slots of [2, 3, 7]) {
      const inFlight = new Array<number>(slots).fill(0);
      const usable = new Array<number>(slots).fill(1);
      const row = [0, 1, 2].slice(0, Math.min(3, slots));
      for (let total = 0; total < 500; total++) {
        const slotId = pick(snapshotOf([row, row], usable, inFlight), 0, [], factor, total);
        inFlight[slotId]!++;
        const bound = Math.ceil((factor * (total + 1)) / slots);
        assert.ok(
          Math.max(...inFlight) <= bound,
          `factor ${factor}, ${slots} slots: ${inFlight} over ${bound}`,
        );
      }
    }
  }
});

picking('bounded load: each slot up to the share of its weight', () => {
  const inFlight = [0, 0, 0];
  for (let total = 0; total < 300; total++) {
    const weights = [4, 1, 1];
    inFlight[pick(snapshotOf([[0, 1, 2]], [1, 1, 1], inFlight, weights), 0, [], 1.25, total)]!++;
    for (const [slot, weight] of weights.entries())
      assert.ok(
        inFlight[slot]! <= Math.ceil((1.25 * (total + 1) * weight) / 6),
        `${inFlight} of ${total + 1}`,
      );
  }
  assert.is(inFlight[0], 250, 'the hot one: 1.25 x 300 x 4/6');
});

picking('bounded load: where all others were tried, a full slot still serves', () => {
  assert.is(pick(snapshotOf([[0, 1]], [1, 1], [100, 0]), 0, [1], 1.25, 100), 0);
});

picking.run();
