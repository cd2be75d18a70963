// Smuggling and malformed input: one request in is one request out, or a refusal; never a second request that the client
// did not frame, never an ambiguous length, never a byte that splits a line further on (RFC 9112 sections 2.2, 5, 6, 7, 11.2).

import * as assert from 'uvu/assert';
import { plain } from '../support/origin.ts';
import { get } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  chunkedPost,
  ends,
  forwarded,
  isStrict,
  refused,
  requestValues,
  type Seen,
  talk,
  withClient,
} from './talk.ts';

export const smuggling: Case[] = [];
const test = area('smuggling', smuggling);
const should = area('smuggling', smuggling, 'should');

const EVIL = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';
const head = (...fields: string[]): string =>
  `POST / HTTP/1.1\r\n${['Host: a', ...fields].join('\r\n')}\r\n\r\n`;

/** Nothing of `EVIL` became a request of its own, and what the replica got has one length. */
function notSmuggled(seen: Seen): void {
  check(!seen.requests.some(({ target }) => target === '/evil'), 'smuggled', seen);
  check(seen.requests.length <= 1, 'more requests out than in', seen);
  for (const request of seen.requests) {
    const lengths =
      requestValues(request, 'content-length').length + requestValues(request, 'transfer-encoding').length;
    check(lengths <= 1, 'an ambiguous length was passed on', seen);
  }
}

// ---- lengths: all refused

for (const [name, ...fields] of [
  ['two different lengths', 'Content-Length: 1', 'Content-Length: 2'],
  ['two different lengths, apart', 'Content-Length: 1', 'X: y', 'Content-Length: 40'],
  ['two different lengths, one in lower case', 'Content-Length: 0', 'content-length: 34'],
  ['a list of different lengths', 'Content-Length: 1, 2'],
  ['a plus', 'Content-Length: +5'],
  ['a minus', 'Content-Length: -1'],
  ['hex', 'Content-Length: 0x5'],
  ['letters behind', 'Content-Length: 5x'],
  ['letters', 'Content-Length: five'],
  ['a fraction', 'Content-Length: 5.0'],
  ['an exponent', 'Content-Length: 1e1'],
  ['a space inside', 'Content-Length: 1 5'],
  ['an underscore', 'Content-Length: 1_0'],
  ['2^64', 'Content-Length: 18446744073709551616'],
  ['2^64 + 5', 'Content-Length: 18446744073709551621'],
  ['50 digits', `Content-Length: ${'9'.repeat(50)}`],
  ['a trailing comma', 'Content-Length: 5,'],
  ['a leading comma', 'Content-Length: ,5'],
  ['quotes', 'Content-Length: "5"'],
  ['a vertical tab', 'Content-Length: \x0b5'],
  ['a null', 'Content-Length: 5\x00'],
  ['full-width digits', 'Content-Length: \xef\xbc\x95'],
] as const) {
  test('9112 6.3', `length: ${name}`, async world => {
    refused(await talk(world, { send: `${head(...fields)}${EVIL}`, answers: 2 }));
  });
}
for (const [name, ...fields] of [
  ['the same twice', 'Content-Length: 5', 'Content-Length: 5'],
  ['the same in a list', 'Content-Length: 5, 5'],
  ['leading zeros', 'Content-Length: 005'],
] as const) {
  test('9112 6.3', `length: ${name} is refused or passed on once`, async world => {
    const seen = await talk(world, { send: `${head(...fields)}hello` });
    if (seen.requests.length === 0) return refused(seen);
    const { request } = forwarded(seen);
    assert.is(request.body, 'hello');
    assert.is(requestValues(request, 'content-length').length, 1);
    assert.match(requestValues(request, 'content-length')[0]!, /^\d+$/);
  });
}
test('9112 6.3', 'length: an empty one is refused or no length', async world => {
  const seen = await talk(world, { send: head('Content-Length:') });
  if (seen.requests.length > 0)
    assert.equal(
      requestValues(forwarded(seen).request, 'content-length').filter(value => value !== '0'),
      [],
    );
  else refused(seen);
});

// ---- length and chunked

for (const [name, ...fields] of [
  ['length, then chunked', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
  ['chunked, then length', 'Transfer-Encoding: chunked', 'Content-Length: 5'],
  ['length of all, then chunked', `Content-Length: ${EVIL.length + 5}`, 'Transfer-Encoding: chunked'],
  ['chunked in capitals', 'Content-Length: 5', 'TRANSFER-ENCODING: CHUNKED'],
  ['length 0', 'Content-Length: 0', 'Transfer-Encoding: chunked'],
] as const) {
  test('9112 6.1', `both: ${name}`, async world => {
    const seen = await talk(world, { send: `${head(...fields)}0\r\n\r\n${EVIL}`, answers: 2 });
    notSmuggledBehindEnd(seen);
  });
}
/** Chunked wins or all is refused; if it won, the connection ends (RFC 9112 section 6.1), so EVIL is not served. */
function notSmuggledBehindEnd(seen: Seen): void {
  notSmuggled(seen);
  if (seen.requests.length > 0)
    check(requestValues(seen.requests[0]!, 'content-length').length === 0, 'the length was passed on', seen);
}

const CODINGS: readonly (readonly [string, string])[] = [
  ['xchunked', 'Transfer-Encoding: xchunked'],
  ['chunkedx', 'Transfer-Encoding: chunkedx'],
  ['chunk', 'Transfer-Encoding: chunk'],
  ['cow', 'Transfer-Encoding: cow'],
  ['identity', 'Transfer-Encoding: identity'],
  ['chunked, identity', 'Transfer-Encoding: chunked, identity'],
  ['identity, chunked', 'Transfer-Encoding: identity, chunked'],
  ['gzip, chunked', 'Transfer-Encoding: gzip, chunked'],
  ['chunked, gzip', 'Transfer-Encoding: chunked, gzip'],
  ['chunked, chunked', 'Transfer-Encoding: chunked, chunked'],
  ['chunked with a parameter', 'Transfer-Encoding: chunked;q=1'],
  ['chunked in quotes', 'Transfer-Encoding: "chunked"'],
  ['chunked in apostrophes', "Transfer-Encoding: 'chunked'"],
  ['a leading comma', 'Transfer-Encoding: ,chunked'],
  ['a trailing comma', 'Transfer-Encoding: chunked,'],
  ['empty', 'Transfer-Encoding:'],
  ['a vertical tab before', 'Transfer-Encoding: \x0bchunked'],
  ['a form feed before', 'Transfer-Encoding: \x0cchunked'],
  ['a null behind', 'Transfer-Encoding: chunked\x00'],
  ['a null before', 'Transfer-Encoding: \x00chunked'],
  ['a soft hyphen', 'Transfer-Encoding: chunked\xad'],
  ['no-break space', 'Transfer-Encoding: \xa0chunked'],
  ['space before the colon', 'Transfer-Encoding : chunked'],
  ['tab before the colon', 'Transfer-Encoding\t: chunked'],
  ['a null before the colon', 'Transfer-Encoding\x00: chunked'],
  ['a vertical tab before the colon', 'Transfer-Encoding\x0b: chunked'],
  ['leading space', ' Transfer-Encoding: chunked'],
  ['leading tab', '\tTransfer-Encoding: chunked'],
  ['folded', 'Transfer-Encoding:\r\n chunked'],
  ['folded with a tab', 'Transfer-Encoding:\r\n\tchunked'],
  ['folded behind', 'Transfer-Encoding: chunked\r\n , identity'],
  ['bare line feed before', 'X: y\nTransfer-Encoding: chunked'],
  ['bare CR before', 'X: y\rTransfer-Encoding: chunked'],
  ['bare line feed behind', 'Transfer-Encoding: chunked\nX: y'],
  ['twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ['twice, identity first', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'],
  ['twice, identity last', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['twice, cow last', 'Transfer-Encoding: chunked\r\nTransfer-encoding: cow'],
  ['no colon', 'Transfer-Encoding chunked'],
  ['two colons', 'Transfer-Encoding:: chunked'],
  ['a quote in the name', '"Transfer-Encoding": chunked'],
  ['capitals and spaces', 'Transfer-Encoding:  CHUNKED  '],
  ['tab', 'Transfer-Encoding:\tchunked'],
  ['no space', 'Transfer-Encoding:chunked'],
];
for (const [name, field] of CODINGS) {
  for (const [kind, more] of [
    ['alone', []],
    ['with a length', ['Content-Length: 5']],
    ['behind a length', null],
  ] as const) {
    test('9112 6.1', `coding ${name}, ${kind}`, async world => {
      const fields = more === null ? ['Content-Length: 5', field] : [field, ...more];
      notSmuggled(
        await talk(world, { send: `${head(...fields)}0\r\n\r\n${kind === 'alone' ? '' : EVIL}`, answers: 2 }),
      );
    });
  }
}
test('9112 6.1', 'underscore: Transfer_Encoding is a field like any other', async world => {
  const { request } = forwarded(
    await talk(world, { send: `${head('Transfer_Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n` }),
  );
  assert.is(request.body, '0\r\n\r\n');
});
for (const version of ['1.0']) {
  test('9112 6.1', `chunked from a client of HTTP/${version}`, async world => {
    const send = `POST / HTTP/${version}\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n${EVIL}`;
    notSmuggled(await talk(world, { send, answers: 2 }));
  });
}

// ---- chunks: the replica never sees a complete request

for (const [name, chunks] of [
  ['no hex', 'x\r\nabc\r\n0\r\n\r\n'],
  ['an empty size', '\r\nabc\r\n0\r\n\r\n'],
  ['a minus', '-3\r\nabc\r\n0\r\n\r\n'],
  ['a plus', '+3\r\nabc\r\n0\r\n\r\n'],
  ['0x', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['2^64', '10000000000000000\r\nabc\r\n0\r\n\r\n'],
  ['2^64 + 3', '10000000000000003\r\nabc\r\n0\r\n\r\n'],
  ['20 digits', 'fffffffffffffffffff3\r\nabc\r\n0\r\n\r\n'],
  ['an underscore', '0_3\r\nabc\r\n0\r\n\r\n'],
  ['a leading space', ' 3\r\nabc\r\n0\r\n\r\n'],
  ['a space inside', '3 3\r\nabc\r\n0\r\n\r\n'],
  ['too few bytes', '5\r\nabc\r\n0\r\n\r\n'],
  ['too many bytes', '2\r\nabc\r\n0\r\n\r\n'],
  ['nothing behind the data', '3\r\nabc0\r\n\r\n'],
  ['other bytes instead of CRLF', '3\r\nabcXX0\r\n\r\n'],
  ['a bare LF behind the size', '3\nabc\r\n0\r\n\r\n'],
  ['a bare LF behind the data', '3\r\nabc\n0\r\n\r\n'],
  ['a bare CR behind the size', '3\rabc\r\n0\r\n\r\n'],
  ['a bare LF in an extension', '3;a\nabc\r\n0\r\n\r\n'],
  ['a null in the size', '3\x00\r\nabc\r\n0\r\n\r\n'],
  ['a broken trailer name', '3\r\nabc\r\n0\r\nX Y: 1\r\n\r\n'],
  ['a trailer without a colon', '3\r\nabc\r\n0\r\nnonsense\r\n\r\n'],
  ['a null in a trailer', '3\r\nabc\r\n0\r\nX: a\x00b\r\n\r\n'],
  ['a folded trailer', '3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n'],
  ['full-width digits', '\xef\xbc\x93\r\nabc\r\n0\r\n\r\n'],
  ['a comma', '3,a\r\nabc\r\n0\r\n\r\n'],
  ['a trailing letter', '3g\r\nabc\r\n0\r\n\r\n'],
] as const) {
  test('9112 7.1', `chunk with ${name}`, async world => {
    const seen = await talk(world, { send: chunkedPost(chunks) + EVIL, answers: 2 });
    const lenient = [
      'a bare LF behind the size',
      'a bare LF behind the data',
      'a leading space',
      'a null in a trailer',
      'a folded trailer',
    ].includes(name);
    notSmuggled(
      lenient ? { ...seen, requests: seen.requests.filter(({ target }) => target !== '/evil') } : seen,
    );
    if (!lenient) check(seen.requests.length === 0, 'passed on as complete', seen);
    // What a lenient reader passes on is strict again.
    else check(isStrict(seen.bytes), 'passed on as it was', seen);
  });
}
for (const [name, chunks] of [
  ['a space behind the size', '3 \r\nabc\r\n0\r\n\r\n'],
  ['a tab behind the size', '3\t\r\nabc\r\n0\r\n\r\n'],
  ['spaces around an extension', '3 ; a = b\r\nabc\r\n0\r\n\r\n'],
  ['a null in an extension', '3;a=\x00\r\nabc\r\n0\r\n\r\n'],
  ['a bare CR in an extension', '3;a\rb\r\nabc\r\n0\r\n\r\n'],
  ['an extension of 5 KiB', `3;a=${'x'.repeat(5000)}\r\nabc\r\n0\r\n\r\n`],
  ['a size of 300 zeros', `${'0'.repeat(300)}3\r\nabc\r\n0\r\n\r\n`],
  ['40 KiB of trailers', `3\r\nabc\r\n0\r\n${`X: ${'v'.repeat(1000)}\r\n`.repeat(40)}\r\n`],
] as const) {
  test('9112 7.1.1', `chunk with ${name} is refused or read right`, async world => {
    const seen = await talk(world, { send: chunkedPost(chunks) });
    if (seen.requests.length === 0) return refused(seen);
    assert.is(forwarded(seen).request.body, 'abc');
    assert.not.match(seen.bytes, /;a/);
    check(isStrict(seen.bytes), 'passed on as it was', seen);
  });
}
should('9112 7.1', 'extensions without end are cut off', async world => {
  await withClient(world, {}, async client => {
    client.send(head('Transfer-Encoding: chunked'));
    let sent = 0;
    while (!client.closed && !client.ended && sent < 4_000_000) {
      client.send(`1;${'e'.repeat(16_000)}\r\nx\r\n`);
      sent += 16_000;
      await new Promise(resolve => setImmediate(resolve));
    }
    if (sent < 4_000_000) return;
    // Bounded memory is the other good way: each chunk was passed on and forgotten.
    assert.not.match(world.origin.bytes, /eee/);
  });
});

// ---- heads

const LF_SECTION = '9112 2.2';
for (const [name, text] of [
  ['space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n'],
  ['tab before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX-A\t: b\r\n\r\n'],
  ['space before the colon of host', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
  ['space in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n'],
  ['no colon', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n'],
  ['an empty name', 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
  ['only a colon', 'GET / HTTP/1.1\r\nHost: a\r\n:\r\n\r\n'],
  ['leading space in the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
  ['leading space in the first field, host behind', 'GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n'],
  ['a null in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x00b\r\n\r\n'],
  ['a null in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\x00A: b\r\n\r\n'],
  ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n'],
  ['a bare CR in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\rA: b\r\n\r\n'],
  ['a bare CR that starts a field', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rX-B: b\r\n\r\n'],
  ['CR CR LF', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\r\r\n\r\n'],
  ['a parenthesis in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX(A): b\r\n\r\n'],
  ['a slash in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX/A: b\r\n\r\n'],
  ['an at in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX@A: b\r\n\r\n'],
  ['a quote in a name', 'GET / HTTP/1.1\r\nHost: a\r\n"X": b\r\n\r\n'],
  ['obs-text in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n'],
  ['DEL in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\x7f: b\r\n\r\n'],
  ['a brace in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX{A}: b\r\n\r\n'],
  ['a semicolon in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX;A: b\r\n\r\n'],
  ['a second request line', 'GET / HTTP/1.1\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n'],
] as const) {
  test('9112 5', `head with ${name}`, async world => {
    refused(await talk(world, { send: text }));
  });
}
for (const [name, text] of [
  ['only bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['a bare line feed behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  ['one bare line feed', 'GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'],
  ['a bare line feed as the end', 'GET / HTTP/1.1\r\nHost: a\r\n\n'],
  ['LF CR', 'GET / HTTP/1.1\n\rHost: a\n\r\n\r'],
  ['obs-fold', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n'],
  ['obs-fold with a tab', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\r\n\tb\r\n\r\n'],
  ['obs-fold of host', 'GET / HTTP/1.1\r\nHost:\r\n a\r\nX-A: b\r\n\r\n'],
  ['a fold of nothing', 'GET / HTTP/1.1\r\nHost: a\r\n \r\nX-A: b\r\n\r\n'],
  ...[1, 2, 8, 11, 12, 14, 27, 31, 127].map(
    code =>
      [
        `control byte ${code} in a value`,
        `GET / HTTP/1.1\r\nHost: a\r\nX-A: a${String.fromCharCode(code)}b\r\n\r\n`,
      ] as const,
  ),
] as const) {
  test(LF_SECTION, `head with ${name} is refused or made strict`, async world => {
    const seen = await talk(world, { send: text });
    if (seen.requests.length === 0) return refused(seen);
    forwarded(seen);
    check(isStrict(seen.bytes), 'passed on as it was', seen);
  });
}

for (const line of [
  'GET / HTTP/0.9',
  'GET / HTTP/2.0',
  'GET / HTTP/3.0',
  'GET / HTTP/1',
  'GET / HTTP/1.',
  'GET / HTTP/11.1',
  'GET / http/1.1',
  'GET / Http/1.1',
  'GET / HTTP/1.1x',
  'GET / HTTP/1.10',
  'GET / HTTP/01.1',
  'GET / HTTP/-1.1',
  'GET / HTTP/1,1',
  'GET / HTTPS/1.1',
  'GET / ICY/1.1',
  'GET / HTTP 1.1',
  'GET / HTTP/x.y',
  'GET / /1.1',
  'PRI * HTTP/2.0',
]) {
  test('9112 2.3', `version: ${line}`, async world => {
    refused(await talk(world, { send: `${line}\r\nHost: a\r\n\r\n` }));
  });
}
test('9112 2.3', 'version: RTSP/1.0 is refused or read as HTTP', async world => {
  // llhttp takes RTSP and ICE for names of the protocol; what is passed on is plain HTTP/1.1 all the same.
  const seen = await talk(world, { send: 'GET / RTSP/1.0\r\nHost: a\r\n\r\n' });
  if (seen.requests.length === 0) return refused(seen);
  assert.match(forwarded(seen).request.head, /^GET \/ HTTP\/1\.1\r\n/);
});
test('9112 2.3', 'version: HTTP/1.2 is refused or read as 1.1', async world => {
  const seen = await talk(world, { send: 'GET / HTTP/1.2\r\nHost: a\r\n\r\n' });
  if (seen.requests.length === 0) return refused(seen);
  assert.match(forwarded(seen).request.head, /^GET \/ HTTP\/1\.1\r\n/);
});
for (const [name, text] of [
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(200, '\x01')],
  ['nulls', '\x00'.repeat(200)],
  [
    'random bytes',
    Array.from({ length: 400 }, (_, index) => String.fromCharCode((index * 7919) % 256)).join(''),
  ],
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['SMTP', 'EHLO a\r\n'],
  ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['PROXY protocol', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a response', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a target of 100 kB', get(`/${'a'.repeat(100_000)}`)],
  ['a field of 100 kB', get('/', [`X: ${'a'.repeat(100_000)}`])],
  ['a name of 100 kB', get('/', [`X${'a'.repeat(100_000)}: 1`])],
  [
    '20 000 fields',
    get(
      '/',
      Array.from({ length: 20_000 }, (_, index) => `X-${index}: 1`),
    ),
  ],
] as const) {
  test('9112 2.2', `nonsense: ${name}`, async world => {
    refused(await talk(world, { send: text }));
  });
}
test('9112 2.2', 'a head without end is cut off', async world => {
  await withClient(world, {}, async client => {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n');
    for (let sent = 0; !client.closed && !client.ended && sent < 10_000; sent++) {
      client.send(`X-${sent}: ${'v'.repeat(500)}\r\n`);
      await new Promise(resolve => setImmediate(resolve));
    }
    await ends(client);
    assert.is(world.origin.bytes, '');
  });
});

// ---- after an error in framing the connection closes

for (const [name, text] of [
  ['a broken head', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
  ['two lengths', head('Content-Length: 1', 'Content-Length: 2')],
  ['a broken chunk', chunkedPost('x\r\n')],
  ['a broken version', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\nX: b\r\n\r\n'],
  ['an unknown coding', `${head('Transfer-Encoding: cow')}`],
] as const) {
  test('9112 9.6', `behind ${name} nothing is served`, async world => {
    await withClient(world, { answer: plain('served') }, async client => {
      client.send(text + EVIL);
      await ends(client);
      assert.is(world.origin.requests.length, 0);
      assert.not.match(client.received, /served/);
    });
  });
}
test('9112 9.3', 'a good request before a broken one is answered first', async world => {
  const seen = await talk(world, { send: `${get('/good')}GET / HTTP/1.1\r\nHost : a\r\n\r\n`, answers: 2 });
  check(seen.answers[0]?.status === 200, 'the good one was not answered', seen);
  check(seen.requests.length === 1, 'more than the good one', seen);
});
test('9112 6.3', 'bytes behind a body are the next request or nonsense, never more body', async world => {
  const seen = await talk(world, { send: `${head('Content-Length: 3')}abcGARBAGE\r\n\r\n`, answers: 2 });
  assert.is(seen.requests[0]?.body, 'abc');
  check(seen.requests.length === 1, 'the garbage was passed on', seen);
});
should('9112 3', 'a method of 10 kB is refused or passed on whole', async world => {
  const method = 'A'.repeat(10_000);
  const seen = await talk(world, { send: `${method} / HTTP/1.1\r\nHost: a\r\n\r\n` });
  if (seen.requests.length === 0) refused(seen);
  else assert.is(forwarded(seen).request.method, method);
});
