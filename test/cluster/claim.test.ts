// Which addresses exclude each other, and who holds a port, as the kernel's list of Unix sockets says it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdersOf, nameOf, overlap } from '../../src/cluster/claim.ts';

const test = suite('claim of an address');

test('addresses that exclude each other', () => {
  const rows: [string, string, boolean][] = [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['0.0.0.0', '127.0.0.1', true],
    ['::', '127.0.0.1', true],
    ['::', '::1', true],
    ['0.0.0.0', '::1', false],
    ['0.0.0.0', '::', true],
  ];
  for (const [a, b, expected] of rows) {
    assert.is(overlap(a, b), expected, `${a} ${b}`);
    assert.is(overlap(b, a), expected, `${b} ${a}`);
  }
});

test('holders of a port are those of the same user and port', () => {
  const holder = { address: '127.0.0.1', pid: '12', sinceMs: 99 };
  const line = (name: string): string =>
    `ffff0: 00000002 00000000 00010000 0001 01 12345 ${name.replaceAll('\0', '@')}\n`;
  const names = [
    line('/run/x'),
    line(nameOf(7, '5000', holder)),
    line(nameOf(7, '500', holder)),
    line(nameOf(8, '5000', holder)),
    line('\0torc/7/5000'),
  ].join('');
  assert.equal(holdersOf(names, 7, '5000'), [holder]);
});

test.run();
