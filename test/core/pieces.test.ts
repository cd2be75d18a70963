// A body that comes byte by byte is kept in few pieces, and stays the same body.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pieces } from '../../src/core/pieces.ts';

test('small pieces are put together, large ones stay what they are', () => {
  const pieces = new Pieces();
  const all: Buffer[] = [];
  const large = Buffer.alloc(5000, 'b');
  for (let index = 0; index < 64 * 1024; index++) {
    const piece = index === 1000 ? large : Buffer.from([index]);
    const first = pieces.list[0]?.subarray();
    pieces.add(piece);
    all.push(piece);
    if (first !== undefined) assert.ok(pieces.list[0]!.subarray(0, first.length).equals(first));
  }
  assert.ok(pieces.list.includes(large));
  assert.ok(Buffer.concat(pieces.list).equals(Buffer.concat(all)));
  const bytes = pieces.list.reduce((sum, piece) => sum + piece.buffer.byteLength, 0);
  assert.ok(bytes < 3 * 64 * 1024, `${bytes}`);
  assert.ok(pieces.list.length <= 40, `${pieces.list.length}`);
});

test.run();
