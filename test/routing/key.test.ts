// Where a request's key stands: each source, the order of sources, and what counts as missing.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FOUND, FoundKey, findKey, IN_BODY, TO_ISSUE } from '../../src/routing/key.ts';
import { sourcesOf } from '../support/key-sources.ts';

const key = suite('key');

interface Request {
  readonly target?: string;
  readonly headers?: readonly string[];
  readonly ip?: string;
  readonly host?: string;
}

/** The key's text, or null where there is none. */
function keyOf(
  sources: string,
  { target = '/', headers = [], ip = '10.0.0.1', host = '' }: Request,
): string | null {
  const found = new FoundKey();
  const place = findKey(sourcesOf(sources), target, headers, ip, host, false, found);
  return place === FOUND ? found.text.slice(found.start, found.end) : null;
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
  ['query:id;decoded', '/a?id=7', '7'],
  ['query:id;decoded', '/a?id=a%20b', 'a b'],
  ['query:id;decoded', '/a?id=a+b', 'a b'],
  ['query:id;decoded', '/a?%69d=%41%zz', 'A%zz'],
  ['query:id;decoded', '/a?id=%C3%BC', '\xc3\xbc'],
  ['query:id;decoded', '/a?id=&id&x=y=z&id=1=2', '1=2'],
  ['query:id;decoded', '/a?id&x=id=5', null],
  ['query:id;decoded', '/id=7', null],
  ['query:größe;decoded', '/?gr%C3%B6%C3%9Fe=5', '5'],
  ['path', '/a/b', '/a/b'],
  ['uri', '/a/b?x=1', '/a/b?x=1'],
  ['ip', '/a', '10.0.0.1'],
  ['random,path', '/a', null],
  ['query:id+path', '/a?id=7', '7/a'],
  ['path+query:id', '/a?id=7', '/a7'],
  ['query:id+query:of', '/a?id=7', null],
  ['query:id+query:of,path', '/a?id=7', '/a'],
  ['query:id+ip/8', '/a?id=7', '710.0.0.0/8'],
] as const) {
  key(`${sources} in ${target}`, () => assert.is(keyOf(sources, { target }), expected));
}

for (const [sources, ip, expected] of [
  ['ip/24', '10.1.2.3', '10.1.2.0/24'],
  ['ip/20', '10.1.63.3', '10.1.48.0/20'],
  ['ip/32', '10.1.2.3', '10.1.2.3/32'],
  ['ip/1', '200.1.2.3', '128.0.0.0/1'],
  // As a socket for both families, and a proxy in front of torc, write it.
  ['ip/24', '::ffff:10.1.2.3', '10.1.2.0/24'],
  ['ip/24', '::ffff:a01:203', '10.1.2.0/24'],
  ['ip/64', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['ip/64', '2001:DB8:1:2::6', '2001:db8:1:2::/64'],
  ['ip/57', '2001:db8:1:2ff:3:4:5:6', '2001:db8:1:280::/57'],
  ['ip/128', '2001:db8::6', '2001:db8::6/128'],
  // The other family's count whole, unless there is an entry for them.
  ['ip/64', '10.1.2.3', '10.1.2.3'],
  ['ip/24', '2001:db8::1', '2001:db8::1'],
  ['ip/24,ip/64', '2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['ip/64,ip/24', '10.1.2.3', '10.1.2.0/24'],
  ['ip/24,ip', '2001:db8::1', '2001:db8::1'],
  ['ip/24,path', '2001:db8::1', '2001:db8::1'],
  ['ip/24', 'unknown', 'unknown'],
  ['ip/24,path', '', '/'],
] as const) {
  key(`${sources} of ${ip}`, () => assert.is(keyOf(sources, { ip }), expected));
}

for (const [host, expected] of [
  ['Shop.Example', 'shop.example'],
  ['shop.example:8080', 'shop.example'],
  ['[2001:DB8::1]:80', '[2001:db8::1]'],
  ['[2001:db8::1]', '[2001:db8::1]'],
  ['', null],
] as const) {
  key(`the host ${host}`, () => assert.is(keyOf('host', { host }), expected));
}

key('headers, whatever their case; an empty one is missing', () => {
  assert.is(keyOf('header:x-user', { headers: ['Host', 'a', 'X-USER', 'bob'] }), 'bob');
  assert.is(keyOf('header:x-user', { headers: ['X-User', '', 'X-User', 'eve'] }), 'eve');
  assert.is(keyOf('header:x-user', { headers: ['X-Users', 'bob'] }), null);
});

key('the first and the last of a list, over all lines; empty ones are none, and quotes hold commas', () => {
  const headers = ['x-way', ' , a, b', 'X-WAY', 'c ,\t', 'x-q', '"a,\\",b", c'];
  assert.is(keyOf('header:x-way', { headers }), ' , a, b');
  assert.is(keyOf('header:x-way;first', { headers }), 'a');
  assert.is(keyOf('header:x-way;last', { headers }), 'c');
  assert.is(keyOf('header:x-q;first', { headers }), '"a,\\",b"');
  assert.is(keyOf('header:x-q;last', { headers }), 'c');
  assert.is(keyOf('header:x-way;first,path', { headers: ['x-way', ' ,, '] }), '/');
});

key('cookies, also in several fields', () => {
  assert.is(keyOf('cookie:sid', { headers: ['Cookie', 'a=1; sid=xyz; b=2'] }), 'xyz');
  assert.is(keyOf('cookie:sid', { headers: ['Cookie', 'sid=xyz'] }), 'xyz');
  assert.is(keyOf('cookie:sid', { headers: ['Cookie', 'xsid=1', 'cookie', 'b=2;sid=9'] }), '9');
  assert.is(keyOf('cookie:sid', { headers: ['Cookie', 'sid='] }), null);
  assert.is(keyOf('cookie:sid', { headers: ['Cookie', '   '] }), null);
});

key('what cannot be found in a head says what to do', () => {
  const found = new FoundKey();
  const ask = (sources: string, hasBody: boolean, headers: readonly string[] = []) => [
    findKey(sourcesOf(sources), '/a', headers, '', '', hasBody, found),
    found.index,
  ];
  assert.equal(ask('cookie:sid;issue', false), [TO_ISSUE, 0]);
  assert.equal(ask('cookie:sid;issue', false, ['cookie', 'sid=1']), [FOUND, 0]);
  assert.equal(ask('header:x,json:/a,path', true), [IN_BODY, 1]);
  assert.equal(ask('header:x,json:/a,path', false), [FOUND, 2]);
  assert.equal(ask('header:x+json:/a,path', true), [IN_BODY, 0]);
  assert.equal(ask('path,json:/a', true), [FOUND, 0]);
});

key.run();
