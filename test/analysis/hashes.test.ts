// The key hashes that `npm run analyze` compares torc's with, against the vectors of their authors.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fnv1a, HASHES, xxHash32 } from '../../native-free-bench/analyze/hashes.ts';
import type { KeyHash } from '../../src/ring/table.ts';

const whole = (hash: KeyHash, text: string): number => hash(text, 0, text.length) >>> 0;

const hashes = suite('analysis/hashes');

hashes('FNV-1a: the vectors of its reference', () => {
  assert.is(whole(fnv1a, ''), 0x811c9dc5);
  assert.is(whole(fnv1a, 'a'), 0xe40c292c);
  assert.is(whole(fnv1a, 'foobar'), 0xbf9cf968);
});

hashes('xxHash32: published vectors, below and above one 16-byte stripe', () => {
  assert.is(whole(xxHash32, ''), 0x02cc5d05);
  assert.is(whole(xxHash32, 'a'), 0x550d7456);
  assert.is(whole(xxHash32, 'abc'), 0x32d153ff);
  assert.is(whole(xxHash32, 'Nobody inspects the spammish repetition'), 0xe2293b2f);
});

hashes('each hashes the part it is told, not the whole text', () => {
  for (const [name, hash] of Object.entries(HASHES))
    assert.is(hash('/request?request_id=123456', 20, 26), hash('123456', 0, 6), name);
});

hashes.run();
