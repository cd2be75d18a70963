// Movement by hand on small tables; what-if against tables built straight, and with the event loop let through.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { optimumOf, remapOf, type WhatIf, whatIf } from '../../src/analysis/remap.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { makeTable, NONE } from '../../src/ring/table.ts';
import { ALGORITHMS, named, numbered } from '../ring/support.ts';

const remap = suite('analysis/remap');
const owners = (...ids: number[]): ReturnType<typeof makeTable> =>
  makeTable('ring', Uint16Array.from(ids.flatMap(id => [id, NONE, NONE])));

remap('pairs and shares, the largest first', () => {
  const before = { table: owners(0, 0, 1, 1, 2, 2, 2, 2), slots: named(['a', 'b', 'c']) };
  const after = { table: owners(0, 1, 1, 1, 0, 0, 0, 1), slots: named(['a', 'b']) };
  assert.equal(remapOf(before, after), {
    moved: 5 / 8,
    optimum: 1 - 2 / 3,
    pairs: [
      { from: 'c', to: 'a', share: 3 / 8 },
      { from: 'a', to: 'b', share: 1 / 8 },
      { from: 'c', to: 'b', share: 1 / 8 },
    ],
  });
});

remap('an id that is used again for another slot is a move, another id of the same slot is none', () => {
  const before = { table: owners(0, 1), slots: named(['a', 'b']) };
  const reused = {
    table: owners(0, 1),
    slots: [
      { id: 0, name: 'c' },
      { id: 1, name: 'b' },
    ],
  };
  assert.equal(remapOf(before, reused).pairs, [{ from: 'a', to: 'c', share: 0.5 }]);
  const renumbered = {
    table: owners(1, 0),
    slots: [
      { id: 1, name: 'a' },
      { id: 0, name: 'b' },
    ],
  };
  assert.is(remapOf(before, renumbered).moved, 0);
});

remap('an empty table owns nothing: all keys move, from or to nobody', () => {
  const empty = { table: owners(NONE, NONE), slots: [] };
  const full = { table: owners(0, 0), slots: named(['a']) };
  assert.equal(remapOf(empty, full), { moved: 1, optimum: 1, pairs: [{ from: null, to: 'a', share: 1 }] });
  assert.equal(remapOf(full, empty), { moved: 1, optimum: 1, pairs: [{ from: 'a', to: null, share: 1 }] });
  assert.equal(remapOf(empty, empty), { moved: 0, optimum: 0, pairs: [] });
});

remap('the optimum counts what stays', () => {
  assert.is(optimumOf(numbered(3), numbered(4)), 1 / 4);
  assert.is(optimumOf(numbered(4), numbered(3)), 1 / 4);
  assert.is(optimumOf(numbered(4), numbered(4)), 0);
  assert.is(optimumOf(named(['a', 'b']), named(['b', 'c'])), 1 / 2);
  assert.is(optimumOf(named(['a']), named(['b'])), 1);
  const weighted = (...weights: number[]) =>
    numbered(3).map((slot, at) => ({ ...slot, weight: weights[at]! }));
  assert.ok(Math.abs(optimumOf(weighted(1, 1, 1), weighted(2, 1, 1)) - 1 / 6) < 1e-12);
  assert.ok(Math.abs(optimumOf(weighted(3, 1, 1), weighted(1, 1, 1)) - 4 / 15) < 1e-12);
  assert.is(optimumOf(weighted(1, 1, 1), weighted(3, 3, 3)), 0);
});

const held = async (...args: Parameters<typeof whatIf>): Promise<WhatIf> => {
  const result = await whatIf(...args);
  if (typeof result === 'string') throw new Error(result);
  return result;
};

for (const algorithm of ALGORITHMS) {
  remap(`${algorithm}: what-if says what the tables say`, async () => {
    for (const [from, to] of [
      [3, 4],
      [4, 3],
      [3, 3],
      [2, 9],
      [9, 1],
      [0, 2],
    ] as const) {
      const result = await held(numbered(from), to, algorithm, 512);
      const ring = (count: number): Parameters<typeof remapOf>[0] => ({
        table: createTableBuilder(algorithm, 512).update(numbered(count)),
        slots: numbered(count),
      });
      const { moved, optimum, pairs } = remapOf(ring(from), ring(to));
      assert.equal(
        { moved: result.moved, optimum: result.optimum, pairs: result.pairs },
        { moved, optimum, pairs },
      );
      assert.is(result.before.slots, from);
      assert.is(result.after.slots, to);
      assert.is(result.added.length, Math.max(0, to - from));
      assert.is(result.removed.length, Math.max(0, from - to));
    }
  });
}

remap('the newest leave, the lowest free numbers come, ids never clash', async () => {
  const slots = [
    { id: 4, name: '2' },
    { id: 0, name: 'blue' },
    { id: 2, name: '1' },
  ];
  assert.equal((await held(slots, 6, 'rendezvous', 512)).added, ['3', '4', '5']);
  assert.equal((await held(slots, 1, 'rendezvous', 512)).removed, ['blue', '1']);
});

remap('more slots than the ring holds: the reason', async () => {
  assert.is(await whatIf(numbered(3), 11, 'seed', 512), 'the seed ring holds at most 10 slots');
});

remap('1000 slots: the event loop runs meanwhile', async () => {
  let turns = 0;
  let done = false;
  let longestMs = 0;
  const watching = (async () => {
    for (let lastMs = performance.now(); !done; turns++) {
      await new Promise(resolve => setImmediate(resolve));
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
  })();
  const startMs = performance.now();
  const result = await held(numbered(3), 1000, 'rendezvous', 65_536);
  const tookMs = performance.now() - startMs;
  done = true;
  await watching;
  process.stdout.write(
    `3 to 1000 slots in ${tookMs.toFixed(0)} ms, longest turn ${longestMs.toFixed(0)} ms\n`,
  );
  assert.is(result.after.slots, 1000);
  // 16 slots a step: 1000 of them are 62 steps, each with a turn of the loop between.
  assert.ok(turns >= 60, `${turns} turns`);
});

remap.run();
