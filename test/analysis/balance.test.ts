// The numbers of a balance, by hand.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { balanceOf, keysPerSlot, placesPerSlot } from '../../src/analysis/balance.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { CHOICES, makeTable, NONE } from '../../src/ring/table.ts';
import { numbered } from '../ring/support.ts';

const balance = suite('analysis/balance');

balance('max/mean, deviation and percentiles', () => {
  assert.equal(balanceOf([2, 4, 4, 4, 5, 5, 7, 9]), {
    slots: 8,
    total: 40,
    mean: 5,
    min: 2,
    max: 9,
    maxToMean: 1.8,
    stdev: 2,
    p50: 4,
    p90: 9,
    p99: 9,
  });
  const many = balanceOf(Array.from({ length: 1000 }, (_, index) => 1000 - index));
  assert.equal([many.p50, many.p90, many.p99], [500, 900, 990]);
});

balance('no slots, no load', () => {
  const none = {
    slots: 0,
    total: 0,
    mean: 0,
    min: 0,
    max: 0,
    maxToMean: 0,
    stdev: 0,
    p50: 0,
    p90: 0,
    p99: 0,
  };
  assert.equal(balanceOf([]), none);
  assert.equal(balanceOf([0, 0]), { ...none, slots: 2 });
});

balance('counts are in the order of the slots, by the first choice', () => {
  const choices = Uint16Array.from([5, 9, NONE, 5, 9, NONE, 9, 5, NONE, 5, 9, NONE]);
  const table = makeTable('rendezvous', choices);
  assert.is(choices.length / CHOICES, table.rows);
  const slots = [
    { id: 9, name: 'b' },
    { id: 5, name: 'a' },
    { id: 7, name: 'idle' },
  ];
  assert.equal(placesPerSlot(table, slots), [1, 3, 0]);
  const rowOfKey = (text: string, start: number): number => text.charCodeAt(start) - 48;
  assert.equal(keysPerSlot(table, rowOfKey, slots, ['0', '2', '2', '6']), [3, 1, 0]);
  assert.equal(keysPerSlot(createTableBuilder('ring', 512).update([]), rowOfKey, slots, ['0']), [0, 0, 0]);
});

balance('every row is counted once', () => {
  const counts = placesPerSlot(createTableBuilder('maglev', 512).update(numbered(5)), numbered(5));
  assert.equal(counts.sort(), [102, 102, 102, 103, 103]);
});

balance.run();
