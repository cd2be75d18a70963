// What the ring bench measures as torc's is torc's: each key's owner is the first choice of its row, whatever slots came
// and went before. The packages beside it are not here: they are the bench's own dependencies.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SUBJECTS } from '../../native-free-bench/ring/subjects.ts';
import { TorcRing } from '../../native-free-bench/ring/torc-ring.ts';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { keyHashFor } from '../../src/ring/hash.ts';
import { CHOICES } from '../../src/ring/table.ts';
import { ALGORITHMS, numbered } from '../ring/support.ts';

const KEYS = Array.from({ length: 500 }, (_, index) => `key-${index}`);
const NAMES = numbered(5).map(({ name }) => name);

function ownersByTable(algorithm: RingAlgorithm, count: number): string[] {
  const slots = numbered(count);
  const { choices, mask } = createTableBuilder(algorithm, 65_536).update(slots);
  const hash = keyHashFor(algorithm);
  return KEYS.map(key => slots[choices[(hash(key, 0, key.length) & mask) * CHOICES]!]!.name);
}

const ring = suite('bench/ring');

for (const algorithm of ALGORITHMS) {
  ring(`${algorithm}: a lookup of the bench is a lookup of torc`, () => {
    const measured = new TorcRing(algorithm, NAMES);
    const owners = (): string[] => KEYS.map(key => measured.get(key));
    assert.equal(owners(), ownersByTable(algorithm, 5));
    measured.add('6');
    assert.equal(owners(), ownersByTable(algorithm, 6));
    measured.remove('6');
    measured.remove('5');
    assert.equal(owners(), ownersByTable(algorithm, 4));
  });
}

ring('every ring says how many slots it holds, torc as its builder does', () => {
  for (const algorithm of ALGORITHMS) {
    const { maxSlots } = createTableBuilder(algorithm, 65_536);
    const subject = SUBJECTS.find(({ name }) => name === algorithm)!;
    assert.ok(subject.holds(maxSlots));
    assert.not(subject.holds(maxSlots + 1));
  }
});

ring.run();
