// Forwarding: what the client said is what the replica hears. Methods, target bytes, fields (RFC 9110 sections 5, 7, 9;
// RFC 9112 sections 2, 3).

import * as assert from 'uvu/assert';
import { type Answer, bytes, plain } from '../support/origin.ts';
import { fieldOf, get } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  chunkedPost,
  fieldsOf,
  forwarded,
  hasNoWords,
  isStrict,
  post,
  refused,
  requestValues,
  talk,
  until,
  valuesOf,
  type World,
  withClient,
} from './talk.ts';

export const forwarding: Case[] = [];
const test = area('forwarding', forwarding);
const should = area('forwarding', forwarding, 'should');

// ---- methods

const KNOWN = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
  'PROPPATCH',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK',
  'REPORT',
  'SEARCH',
  'PURGE',
  'LINK',
  'MERGE',
];
const UNKNOWN = [
  'FOO',
  'M-SEARCHX',
  'get',
  'Get',
  'BREW',
  'X',
  'GETT',
  'VERSION-CONTROL',
  'BASELINE-CONTROL',
  'a1',
  'LONG-METHOD-OF-THIRTY-LETTERS.',
  'DESCRIBE',
  'PLAY',
  'GET_PARAMETER',
  'SOURCE',
  'QUERYX',
  "!#$%&'*+-.^_`|~",
];

for (const method of [...KNOWN, ...UNKNOWN]) {
  test('9110 9.1', `method ${method}`, async world => {
    const seen = await talk(world, { send: `${method} /m?q=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n` });
    const { request, answer } = forwarded(seen);
    assert.is(request.head.split('\r\n')[0], `${method} /m?q=1 HTTP/1.1`);
    assert.equal(requestValues(request, 'x-a'), ['1']);
    assert.is(answer.body, 'hello');
  });
}
for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'OPTIONS', 'FOO', 'BREW-COFFEE']) {
  test('9110 9.1', `method ${method} with a body`, async world => {
    const { request } = forwarded(
      await talk(world, { send: `${method} /m HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody` }),
    );
    assert.is(request.method, method);
    assert.is(request.body, 'body');
  });
  test('9110 9.1', `method ${method} with a chunked body in pieces`, async world => {
    const send = [
      `${method} /m HTTP/1.1\r\nHost: a\r\nTransfer-`,
      'Encoding: chunked\r\n\r\n4\r\nbo',
      'dy\r\n0\r\n',
      '\r\n',
    ];
    const { request } = forwarded(await talk(world, { send }));
    assert.is(request.method, method);
    assert.is(request.body, 'body');
  });
}
test('9110 9.1', 'an unknown method, then byte by byte', async world => {
  const { request } = forwarded(
    await talk(world, { send: ['FROB ', ...'/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'] }),
  );
  assert.is(request.method, 'FROB');
  assert.is(request.body, 'hi');
});
test('9110 9.1', 'an unknown method behind a known one on the same connection', async world => {
  await withClient(
    world,
    { answer: (request, socket) => plain(request.method)(request, socket) },
    async client => {
      client.send(get('/one'));
      assert.is((await client.answer()).body, 'GET');
      client.send('FROB /two HTTP/1.1\r\nHost: a\r\n\r\n');
      assert.is((await client.answer()).body, 'FROB');
    },
  );
});
test('9110 9.1', 'an unknown method says the client by its real address', async world => {
  const { request } = forwarded(
    await talk(world, { send: 'FROB / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n' }),
  );
  assert.equal(requestValues(request, 'x-forwarded-for'), ['127.0.0.1']);
});
test('9112 3', 'an unknown method with a broken head is refused', async world => {
  refused(await talk(world, { send: 'FROB / HTTP/1.1\r\nHost : a\r\n\r\n' }));
});
test('9112 6.3', 'an unknown method with two lengths is refused', async world => {
  refused(
    await talk(world, {
      send: 'FROB / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    }),
  );
});
for (const method of ['G(T', 'G/T', 'G@T', 'G\x00T', 'G\xe9T', '"GET"', 'GE,T', 'GET:', '']) {
  test('9110 5.6.2', `method ${JSON.stringify(method)} is no token`, async world => {
    refused(await talk(world, { send: `${method} / HTTP/1.1\r\nHost: a\r\n\r\n` }));
  });
}
test('9110 9.3.6', 'CONNECT is refused', async world => {
  refused(await talk(world, { send: 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n' }));
});

// ---- targets

const TARGETS = [
  '/',
  '//',
  '///a',
  '//host/path',
  '/a//b',
  '/a/./b',
  '/a/../b',
  '/../../etc',
  '/a/..',
  '/.',
  '/..',
  '/%2e%2e/x',
  '/%2E/',
  '/a%2Fb',
  '/a%2fb',
  '/%41',
  '/%',
  '/%zz',
  '/%00',
  '/a%0d%0aX:y',
  '/?',
  '/?a',
  '/??',
  '/?a=b&c=d',
  '/?a=/../b',
  '/a;b=c',
  '/a;',
  '/;',
  "/!$&'()*+,;=:@",
  '/~user',
  '/a=b',
  '/a:b',
  '/a@b',
  '/a|b',
  '/a"b',
  '/a{b}',
  '/a^b',
  '/a`b',
  '/a\\b',
  '/[a]',
  '/a?b?c',
  '/?x=http://y/z',
  '/a+b',
  '/<a>',
  `/${'a'.repeat(8190)}`,
  `/?${'q'.repeat(8000)}`,
  `/${'%20'.repeat(1000)}`,
  '/index.html?',
  '/a/?b/',
  '/ſ'.replace('ſ', '%C5%BF'),
];
for (const target of TARGETS) {
  const name = target.length > 40 ? `${target.slice(0, 12)}... of ${target.length} bytes` : target;
  test('9110 7.1', `target ${name}`, async world => {
    assert.is(forwarded(await talk(world, { send: get(target) })).request.target, target);
  });
}
test('9112 3.2', 'a target with bytes beyond ASCII is kept or refused', async world => {
  const seen = await talk(world, { send: get('/caf\xc3\xa9') });
  if (seen.requests.length === 0) refused(seen);
  else assert.is(forwarded(seen).request.target, '/caf\xc3\xa9');
});
test('9112 3.2', 'a fragment never reaches the replica as another target', async world => {
  const seen = await talk(world, { send: get('/a#b') });
  if (seen.requests.length === 0) refused(seen);
  else assert.ok(['/a', '/a#b'].includes(forwarded(seen).request.target));
});
for (const line of [
  'GET  / HTTP/1.1',
  'GET /  HTTP/1.1',
  'GET /a b HTTP/1.1',
  'GET\t/ HTTP/1.1',
  'GET /\tHTTP/1.1',
  'GET / HTTP/1.1 ',
  'GET /\x00 HTTP/1.1',
  'GET /\x7f HTTP/1.1',
  'GET /\x01a HTTP/1.1',
  ' GET / HTTP/1.1',
  'GET /',
  'GET',
  'GET a HTTP/1.1',
  'GET ?a HTTP/1.1',
  'GET http:// HTTP/1.1',
  'GET http:///a HTTP/1.1',
  'GET : HTTP/1.1',
]) {
  test('9112 3', `request line ${JSON.stringify(line)} is refused or read in one way only`, async world => {
    const seen = await talk(world, { send: `${line}\r\nHost: a\r\n\r\n` });
    if (seen.requests.length === 0) return refused(seen);
    // RFC 9112 section 3 lets a lenient reader split at whitespace; what it passes on must be strict again.
    const { request } = forwarded(seen);
    assert.match(request.head, /^GET \/[!-~]* HTTP\/1\.1\r\n/);
    assert.not.match(request.head.split('\r\n')[0]!, / {2}|\t/);
    assert.ok(isStrict(request.head));
  });
}
for (const [target, expected, host] of [
  ['http://other.test/p?q=1', '/p?q=1', 'other.test'],
  ['http://other.test:81/p', '/p', 'other.test:81'],
  ['http://other.test', '/', 'other.test'],
  ['http://other.test?q', '/?q', 'other.test'],
  ['http://other.test//a/../b', '//a/../b', 'other.test'],
  ['HTTP://other.test/x', '/x', 'other.test'],
] as const) {
  test('9112 3.2.2', `absolute form ${target}`, async world => {
    const { request } = forwarded(
      await talk(world, { send: `GET ${target} HTTP/1.1\r\nHost: lie.test\r\n\r\n` }),
    );
    // The replica may get either form; the host that counts is the target's.
    if (request.target.startsWith('/')) {
      assert.is(request.target, expected);
      assert.equal(requestValues(request, 'host'), [host]);
    } else assert.is(request.target, target);
  });
}
test('9110 9.3.7', 'OPTIONS *', async world => {
  assert.is(
    forwarded(await talk(world, { send: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n' })).request.target,
    '*',
  );
});
test('9112 3.2.4', 'OPTIONS with an absolute form without a path is *', async world => {
  const { request } = forwarded(await talk(world, { send: 'OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n' }));
  assert.ok(['*', 'http://a'].includes(request.target), request.target);
});
should('9112 3.2.4', '* with another method is refused', async world => {
  refused(await talk(world, { send: 'GET * HTTP/1.1\r\nHost: a\r\n\r\n' }));
});

// ---- host

for (const host of [
  'a',
  'a.test',
  'a.test:8080',
  '127.0.0.1',
  '127.0.0.1:80',
  '[::1]',
  '[::1]:80',
  'UPPER.test',
  'xn--bcher-kva.test',
  '',
]) {
  test('9110 7.2', `host ${JSON.stringify(host)} is kept`, async world => {
    const { request } = forwarded(await talk(world, { send: `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n` }));
    assert.equal(requestValues(request, 'host'), [host]);
  });
}
for (const [name, fields] of [
  ['none', 'X-A: 1'],
  ['two', 'Host: a\r\nHost: b'],
  ['the same twice', 'Host: a\r\nHost: a'],
  ['two, one in another case', 'Host: a\r\nhOST: b'],
  ['a path', 'Host: a/b'],
  ['a space', 'Host: a b'],
  ['a user', 'Host: u@a'],
  ['a list', 'Host: a, b'],
  ['a null', 'Host: a\x00b'],
  ['a tab inside', 'Host: a\tb'],
  ['a query', 'Host: a?b'],
  ['a backslash', 'Host: a\\b'],
] as const) {
  test('9112 3.2', `host with ${name} is refused, or never two of it reach the replica`, async world => {
    const seen = await talk(world, { send: `GET / HTTP/1.1\r\n${fields}\r\n\r\n` });
    if (['none', 'two', 'two, one in another case', 'a null'].includes(name) || seen.requests.length === 0)
      return refused(seen);
    assert.is(requestValues(forwarded(seen).request, 'host').length, 1);
  });
}
test('9112 3.2', 'a client of HTTP/1.0 without a host is served', async world => {
  const seen = await talk(world, { send: 'GET /old HTTP/1.0\r\n\r\n' });
  const { request } = forwarded(seen);
  assert.is(request.target, '/old');
  if (request.head.includes('HTTP/1.1\r\n')) assert.is(requestValues(request, 'host').length, 1);
});

// ---- fields

const FIELDS: readonly (readonly [string, readonly string[]])[] = [
  ['order of different names', ['X-B: 1', 'X-A: 2', 'X-C: 3']],
  ['duplicates', ['X-A: 1', 'X-A: 2', 'X-A: 1']],
  ['duplicates apart', ['X-A: 1', 'X-B: 2', 'X-A: 3']],
  ['an empty value', ['X-Empty:']],
  ['obs-text', ['X-A: \xe9\xff\x80']],
  ['UTF-8', ['X-A: \xc3\xa9']],
  ['a tab inside', ['X-A: a\tb']],
  ['many spaces inside', ['X-A: a     b']],
  ['quotes and commas', ['X-A: "a, b", c;d="e\\""']],
  ['colons', ['X-A: a:b::c']],
  ['all token bytes in a name', ["!#$%&'*+-.^_`|~0aZ: 1"]],
  ['underscores', ['X_A: 1', 'x-a: 2']],
  ['dots', ['X.A: 1']],
  ['digits', ['123: 1']],
  ['several cookies', ['Cookie: a=1', 'Cookie: b=2']],
  ['cookie with odd bytes', ['Cookie: a="1"; b={2}; c=%zz']],
  ['authorization', ['Authorization: Basic YTpi']],
  [
    'proxy-authorization of somebody further on is not lost silently into another name',
    ['X-Proxy-Authorization: a'],
  ],
  ['accept lists', ['Accept: text/html;q=0.9, */*', 'Accept-Encoding: gzip, br', 'Accept-Language: en']],
  ['conditionals', ['If-None-Match: W/"a", "b"', 'If-Modified-Since: Sun, 22 Nov 2026 00:00:00 GMT']],
  ['range', ['Range: bytes=0-1,5-']],
  ['pragma and cache-control', ['Pragma: no-cache', 'Cache-Control: no-store, max-age=0']],
  ['__proto__', ['__proto__: x', 'constructor: y', 'hasOwnProperty: z']],
  ['forwarded', ['X-Real-IP: 1.2.3.4']],
  ['origin and referer', ['Origin: null', 'Referer: http://x/y?z']],
  ['a JSON value', ['X-A: {"a":[1,2]}']],
  ['a name of 200 bytes', [`X-${'n'.repeat(198)}: 1`]],
  ['a value of 8 KiB', [`X-A: ${'v'.repeat(8192)}`]],
  ['16 KiB of fields', Array.from({ length: 128 }, (_, index) => `X-${index}: ${'v'.repeat(120)}`)],
  ['100 small fields', Array.from({ length: 100 }, (_, index) => `X-${index}: ${index}`)],
  ['200 fields of one name', Array.from({ length: 200 }, (_, index) => `X-A: ${index}`)],
];
const lower = (lines: readonly string[]): string[] =>
  lines.map(line => {
    const colon = line.indexOf(':');
    return `${line.slice(0, colon).toLowerCase()}: ${line.slice(colon + 1).trim()}`;
  });
for (const [name, fields] of FIELDS) {
  test('9110 5.3', `fields to the replica: ${name}`, async world => {
    const { request } = forwarded(await talk(world, { send: get('/', fields) }));
    const wanted = new Set(lower(fields).map(line => line.split(':')[0]));
    const got = lower(fieldsOf(request)).filter(line => wanted.has(line.split(':')[0]!));
    // Cookies of HTTP/2 are joined for who speaks HTTP/1.1 (RFC 9113 section 8.2.3).
    const areJoined = world.version === '2.0' && name === 'several cookies';
    assert.equal(got, areJoined ? ['cookie: a=1; b=2'] : lower(fields));
  });
  test('9110 5.3', `fields to the client: ${name}`, async world => {
    const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('hello', fields) }));
    const wanted = new Set(lower(fields).map(line => line.split(':')[0]));
    const got = lower(answer.fields).filter(line => wanted.has(line.split(':')[0]!));
    assert.equal(got, lower(fields));
  });
}
for (const name of ['X-Mixed-Case', 'x-lower', 'X-UPPER', 'ETag', 'WWW-Authenticate']) {
  test('9110 5.1', `case of ${name} is kept both ways`, async world => {
    if (hasNoWords(world)) return;
    const { request, answer } = forwarded(
      await talk(world, { send: get('/', [`${name}: 1`]), answer: plain('', [`${name}: 2`]) }),
    );
    assert.ok(fieldsOf(request).includes(`${name}: 1`));
    assert.ok(answer.fields.includes(`${name}: 2`));
  });
}
for (const [name, line] of [
  ['no space', 'X-A:v'],
  ['two spaces', 'X-A:  v'],
  ['tabs around', 'X-A:\tv\t'],
  ['trailing spaces', 'X-A: v   '],
] as const) {
  test('9112 5.1', `optional whitespace: ${name}`, async world => {
    assert.equal(requestValues(forwarded(await talk(world, { send: get('/', [line]) })).request, 'x-a'), [
      'v',
    ]);
  });
  test('9112 5.1', `optional whitespace of an answer: ${name}`, async world => {
    const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('', [line]) }));
    assert.equal(valuesOf(answer.fields, 'x-a'), ['v']);
  });
}
test('6265 3', 'several Set-Cookie stay several, in order', async world => {
  const cookies = [
    'Set-Cookie: a=1; Expires=Sun, 22 Nov 2026 00:00:00 GMT',
    'Set-Cookie: b=2',
    'set-cookie: c=3',
  ];
  const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('', cookies) }));
  assert.equal(
    valuesOf(answer.fields, 'set-cookie'),
    cookies.map(line => line.slice(12)),
  );
});
const viaOf = ({ version }: World): RegExp => new RegExp(`^(?:HTTP/)?${version.replace('.', '[.]')} \\S+$`);
test('9110 7.6.3', 'Via is added behind an older one', async world => {
  const { request } = forwarded(await talk(world, { send: get('/', ['Via: 1.0 old']) }));
  const [old = '', own = ''] = requestValues(request, 'via').join(', ').split(', ');
  assert.is(old, '1.0 old');
  assert.match(own, viaOf(world));
});
test('9110 7.6.3', 'Via is added to a request without one', async world => {
  assert.match(
    requestValues(forwarded(await talk(world, { send: get('/') })).request, 'via').join(),
    viaOf(world),
  );
});
test('9110 7.6.3', 'Via says the version that the client spoke', async world => {
  const { request } = forwarded(await talk(world, { send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n' }));
  assert.match(requestValues(request, 'via').join(), /^(?:HTTP\/)?1\.0 \S+$/);
});
for (const method of ['OPTIONS', 'TRACE']) {
  test('9110 7.6.2', `Max-Forwards of ${method} is counted down, or the method refused`, async world => {
    const seen = await talk(world, {
      send: `${method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n`,
    });
    if (method === 'TRACE' && seen.requests.length === 0) {
      check(seen.answers[0]?.status === 405, 'neither served nor refused', seen);
      return;
    }
    assert.equal(requestValues(forwarded(seen).request, 'max-forwards'), ['2']);
  });
  test('9110 7.6.2', `Max-Forwards: 0 of ${method} goes no further`, async world => {
    const seen = await talk(world, {
      send: `${method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: secret\r\n\r\n`,
    });
    check(seen.requests.length === 0 && seen.answers.length === 1, 'went on', seen);
    check(!seen.received.includes('secret'), 'told a secret', seen);
  });
}
should('9110 7.6.2', 'Max-Forwards of GET is left alone', async world => {
  const { request } = forwarded(await talk(world, { send: get('/', ['Max-Forwards: 0']) }));
  assert.equal(requestValues(request, 'max-forwards'), ['0']);
});

// ---- answers

for (const status of [
  '200 OK',
  '201 Created',
  '202 A',
  '203 N',
  '206 Partial Content',
  '207 Multi-Status',
  '226 IM Used',
  '299 Own',
  '300 M',
  '301 Moved',
  '302 Found',
  '303 See Other',
  '307 T',
  '308 P',
  '399 Own',
  '400 Bad',
  '401 U',
  '402 P',
  '403 F',
  '404 Not Found',
  '405 M',
  '406 N',
  '409 C',
  '410 Gone',
  '411 L',
  '412 P',
  '413 T',
  '414 U',
  '415 U',
  '416 R',
  '417 E',
  '418 I am a teapot',
  '421 M',
  '422 U',
  '425 E',
  '426 U',
  '428 P',
  '429 T',
  '431 R',
  '451 U',
  '499 Own',
  '500 I',
  '501 N',
  '502 B',
  '503 S',
  '504 G',
  '505 H',
  '507 I',
  '511 N',
  '599 Own',
]) {
  test('9110 15', `status ${status} is passed on`, async world => {
    const { answer } = forwarded(
      await talk(world, { send: get('/'), answer: plain('x', [], status) }),
      Number(status.slice(0, 3)),
    );
    assert.is(answer.body, 'x');
  });
}
should('9112 4', 'the reason is passed on or left out', async world => {
  const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('', [], '200 Very Fine') }));
  assert.match(answer.statusLine, /^HTTP\/1\.1 200 ?/);
});
for (const line of ['HTTP/1.1 200 ', 'HTTP/1.1 200']) {
  should('9112 4', `an answer without a reason: ${JSON.stringify(line)}`, async world => {
    const answer = bytes(`${line}\r\nContent-Length: 2\r\n\r\nhi`);
    const seen = await talk(world, { send: get('/'), answer });
    if (line.endsWith(' ')) assert.is(forwarded(seen).answer.body, 'hi');
    else
      check(
        seen.answers[0]?.status === 200 || seen.answers[0]?.status === 502,
        'neither read nor refused',
        seen,
      );
  });
}
test('9112 2.3', 'an answer of HTTP/1.0 becomes one of HTTP/1.1', async world => {
  const { answer } = forwarded(
    await talk(world, {
      send: get('/'),
      answer: bytes('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi', { end: true }),
    }),
  );
  assert.ok(answer.statusLine.startsWith('HTTP/1.1 '));
  assert.is(answer.body, 'hi');
});
test('9110 6.6.1', 'Date is added where the replica sent none', async world => {
  const { answer } = forwarded(await talk(world, { send: get('/') }));
  assert.match(fieldOf(answer, 'date') ?? '', /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
});
test('9110 6.6.1', 'Date of the replica is kept, once', async world => {
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT';
  const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('', [`Date: ${date}`]) }));
  assert.equal(valuesOf(answer.fields, 'date'), [date]);
});
for (const field of [
  'Server: mine/1',
  'X-Powered-By: p',
  'ETag: W/"x"',
  'Location: //x/../y',
  'Location: http://other/',
  'Content-Encoding: gzip',
  'Content-Range: bytes 0-1/2',
  'Vary: *',
  'Age: 5',
  'Content-Type: text/html; charset="x"',
  'Refresh: 0; url=/',
  'X-Accel-Buffering: no',
  'X-Accel-Redirect: /x',
  'Strict-Transport-Security: max-age=1',
  'Alt-Svc: h3=":1"',
  'WWW-Authenticate: Basic realm="a, b"',
  'Content-Disposition: attachment; filename="\xe9"',
]) {
  test('9110 7.7', `answer field ${JSON.stringify(field)} is passed on`, async world => {
    const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('xy', [field]) }));
    assert.ok(
      answer.fields.some(line => line.toLowerCase() === field.toLowerCase()),
      answer.fields.join('|'),
    );
    assert.is(answer.body, 'xy');
  });
}
should('9110 9.3.1', 'a body of GET reaches the replica', async world => {
  const { request } = forwarded(await talk(world, { send: post('abc').replace('POST', 'GET') }));
  assert.is(request.body, 'abc');
});

// ---- request lines that a parser with a list of methods and versions would not know

const saysItself: Answer = (request, socket) =>
  plain(`${request.method} ${request.target} ${request.body}`)(request, socket);
for (const method of ['FROB', 'GETX', 'UNLOCKX', 'Q', 'X-Y', 'POSTER']) {
  const line = `${method} /two HTTP/1.1\r\nHost: a\r\n\r\n`;
  test('9110 9.1', `${method} pipelined behind GET`, async world => {
    const seen = await talk(world, { send: get('/one') + line, answer: saysItself, answers: 2 });
    assert.equal(
      seen.answers.map(({ body }) => body),
      ['GET /one ', `${method} /two `],
    );
  });
  test('9110 9.1', `GET pipelined behind ${method}`, async world => {
    const seen = await talk(world, { send: line + get('/one'), answer: saysItself, answers: 2 });
    assert.equal(
      seen.answers.map(({ body }) => body),
      [`${method} /two `, 'GET /one '],
    );
  });
}
should('9110 9.1', 'FROB pipelined behind a body', async world => {
  const send = `${post('abc')}FROB /two HTTP/1.1\r\nHost: a\r\n\r\n`;
  const seen = await talk(world, { send, answer: saysItself, answers: 2 });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['POST / abc', 'FROB /two '],
  );
});
test('9110 9.1', 'three unknown methods with chunked bodies, pipelined', async world => {
  const send = ['ONE', 'TWO', 'THREE']
    .map(method => chunkedPost(`${method.length}\r\n${method}\r\n0\r\n\r\n`).replace('POST', method))
    .join('');
  const seen = await talk(world, { send, answer: saysItself, answers: 3 });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['ONE / ONE', 'TWO / TWO', 'THREE / THREE'],
  );
});
test(
  '9110 9.1',
  'an unknown method behind a slow answer, and more behind it in other packets',
  async world => {
    const slow: Answer = (request, socket) =>
      void setTimeout(() => saysItself(request, socket), request.target === '/one' ? 100 : 0);
    await withClient(world, { answer: slow }, async client => {
      client.send(`${get('/one')}FROB /two HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo`);
      await until(() => world.origin.requests.length === 1, 'the first');
      client.send('dy');
      client.send(get('/three'));
      for (const body of ['GET /one ', 'FROB /two body', 'GET /three '])
        assert.is((await client.answer()).body, body);
    });
  },
);
for (const version of ['1.2', '1.9']) {
  should(
    '9110 2.5',
    `a client of HTTP/${version} is one of the highest version that is known`,
    async world => {
      const { request } = forwarded(await talk(world, { send: `GET / HTTP/${version}\r\nHost: a\r\n\r\n` }));
      assert.is(request.head.split('\r\n')[0], 'GET / HTTP/1.1');
    },
  );
  should(
    '9110 2.5',
    `a replica of HTTP/${version} is one of the highest version that is known`,
    async world => {
      const answer = bytes(`HTTP/${version} 200 OK\r\nContent-Length: 2\r\n\r\nhi`);
      const { answer: got } = forwarded(await talk(world, { send: get('/'), answer }));
      assert.is(got.statusLine, 'HTTP/1.1 200 OK');
      assert.is(got.body, 'hi');
    },
  );
}
should('9110 2.5', 'an unknown method of HTTP/1.2 with a body', async world => {
  const send = 'BREWER /pot HTTP/1.2\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
  assert.is(forwarded(await talk(world, { send, answer: saysItself })).answer.body, 'BREWER /pot abc');
});

// ---- sizes: 16 KiB of fields and an 8 KiB target pass, what is beyond is refused

for (const size of [4000, 16_000]) {
  const value = 'v'.repeat(size);
  test('9110 5.4', `one field of ${size} bytes, both ways`, async world => {
    const seen = await talk(world, {
      send: get('/', [`X-A: ${value}`]),
      answer: plain('x', [`X-B: ${value}`]),
    });
    const { request, answer } = forwarded(seen);
    assert.is(requestValues(request, 'x-a')[0] === value, true);
    assert.is(fieldOf(answer, 'x-b') === value, true);
  });
}
should('9110 5.4', '300 fields, both ways', async world => {
  const fields = Array.from({ length: 300 }, (_, index) => `X-${index}: ${index}`);
  const { request, answer } = forwarded(
    await talk(world, { send: get('/', fields), answer: plain('x', fields) }),
  );
  assert.equal(
    lower(fieldsOf(request)).filter(line => /^x-\d/.test(line)),
    lower(fields),
  );
  assert.equal(
    lower(answer.fields).filter(line => /^x-\d/.test(line)),
    lower(fields),
  );
});
for (const [name, send] of [
  ['a target of 64 KiB', get(`/${'a'.repeat(65_536)}`)],
  [
    'fields of 64 KiB',
    get(
      '/',
      Array.from({ length: 64 }, (_, index) => `X-${index}: ${'v'.repeat(1024)}`),
    ),
  ],
] as const) {
  test('9110 5.4', `${name}: 400, 414 or 431, and nothing reaches the replica`, async world => {
    const seen = await talk(world, { send });
    refused(seen);
    const status = seen.answers[0]?.status;
    check(status === undefined || [400, 414, 431, 494].includes(status), 'another status', seen);
  });
}

// ---- every byte a packet of its own

for (const [name, send, expected] of [
  ['a GET', get('/b?x=1', ['X-A: b']), 'GET /b?x=1 '],
  ['a POST by length', post('hello', [], '/b'), 'POST /b hello'],
  ['a chunked POST', chunkedPost('5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'), 'POST / hello'],
  ['a GET of HTTP/1.0', 'GET /b HTTP/1.0\r\nHost: a\r\n\r\n', 'GET /b '],
  ['an OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'OPTIONS * '],
  ['an absolute form', 'GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /b '],
] as const) {
  test('9112 2.2', `${name} byte by byte`, async world => {
    const seen = await talk(world, { send: [...send], answer: saysItself });
    assert.is(forwarded(seen).answer.body.replace('http://a/', '/'), expected);
  });
}
