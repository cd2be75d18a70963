// Where a request's key stands: each source, the order of sources, and what counts as missing.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { KeySource } from '../../src/config/fields.ts';
import { FoundKey, findKey } from '../../src/routing/key.ts';

const key = suite('key');

const source = (text: string): KeySource => {
  const [kind, name = ''] = text.split(':');
  return { kind: kind as KeySource['kind'], name };
};

/** The key's text, or null for a random one. */
function keyOf(
  sources: string,
  target: string,
  rawHeaders: readonly string[] = [],
  ip = '10.0.0.1',
): string | null {
  const found = new FoundKey();
  const present = findKey(sources.split(',').map(source), target, rawHeaders, ip, found);
  return present ? found.text.slice(found.start, found.end) : null;
}

for (const [sources, target, expected] of [
  ['query:id', '/a?id=7', '7'],
  ['query:id', '/a?x=1&id=7&y=2', '7'],
  ['query:id', '/a?id=7&id=8', '7'],
  ['query:id', '/a?xid=1&idx=2&id=3', '3'],
  ['query:id', '/a?id=%41%zz', '%41%zz'],
  ['query:id', '/a?id=', null],
  ['query:id', '/a?id', null],
  ['query:id', '/a', null],
  ['query:id', '/id=7', null],
  ['query:id', '/a?', null],
  ['query:id', '/a?&&id=5&', '5'],
  ['query:id,path', '/a/b?x=1', '/a/b'],
  ['path', '/a/b', '/a/b'],
  ['uri', '/a/b?x=1', '/a/b?x=1'],
  ['ip', '/a', '10.0.0.1'],
  ['random,path', '/a', null],
] as const) {
  key(`${sources} in ${target}`, () => assert.is(keyOf(sources, target), expected));
}

key('headers, whatever their case; an empty one is missing', () => {
  assert.is(keyOf('header:x-user', '/', ['Host', 'a', 'X-USER', 'bob']), 'bob');
  assert.is(keyOf('header:x-user', '/', ['X-User', '', 'X-User', 'eve']), 'eve');
  assert.is(keyOf('header:x-user', '/', ['X-Users', 'bob']), null);
});

key('cookies, also in several fields', () => {
  assert.is(keyOf('cookie:sid', '/', ['Cookie', 'a=1; sid=xyz; b=2']), 'xyz');
  assert.is(keyOf('cookie:sid', '/', ['Cookie', 'sid=xyz']), 'xyz');
  assert.is(keyOf('cookie:sid', '/', ['Cookie', 'xsid=1', 'cookie', 'b=2;sid=9']), '9');
  assert.is(keyOf('cookie:sid', '/', ['Cookie', 'sid=']), null);
  assert.is(keyOf('cookie:sid', '/', ['Cookie', '   ']), null);
});

key.run();
