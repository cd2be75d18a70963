// Hop-by-hop: what belongs to one connection stays on it, and nobody can make the proxy drop or forge what it says
// itself (RFC 9110 section 7.6.1; RFC 9112 section 9).

import * as assert from 'uvu/assert';
import { bytes, plain } from '../support/origin.ts';
import { fieldOf, get } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  fieldsOf,
  forwarded,
  hasNoWords,
  post,
  requestValues,
  talk,
  valuesOf,
} from './talk.ts';

export const hopByHop: Case[] = [];
const test = area('hop-by-hop', hopByHop);
const should = area('hop-by-hop', hopByHop, 'should');

for (const field of [
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'TE: gzip',
  'TE: trailers, gzip;q=0.5',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'Upgrade: TLS/1.0',
  'Connection: X-Nothing',
  'keep-alive: max=1',
  'PROXY-CONNECTION: close',
]) {
  const name = field.split(':')[0]!.toLowerCase();
  test('9110 7.6.1', `${field} of a request stays here`, async world => {
    const { request } = forwarded(await talk(world, { send: get('/', [field]) }));
    const left = requestValues(request, name).join().toLowerCase();
    if (name === 'te') assert.ok(['', 'trailers'].includes(left), left);
    else assert.not.match(left, /x-nothing|timeout|max|h2c|websocket|tls|proxy|keep-alive: /);
    if (name !== 'connection' && name !== 'te') assert.is(left, '');
  });
}
for (const field of [
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'Connection: X-Nothing',
  'Upgrade: h2c',
  'Keep-Alive: timeout=1, max=5',
]) {
  const name = field.split(':')[0]!.toLowerCase();
  test('9110 7.6.1', `${field} of an answer stays here`, async world => {
    const { answer } = forwarded(await talk(world, { send: get('/'), answer: plain('', [field]) }));
    const left = valuesOf(answer.fields, name).join();
    assert.not.match(left, /X-Nothing|timeout=1|h2c|proxy/i);
  });
}
for (const [name, connection] of [
  ['one', 'X-Gone'],
  ['one in another case', 'x-GONE'],
  ['behind keep-alive', 'keep-alive, X-Gone'],
  ['before close', 'X-Gone, close'],
  ['without spaces', 'a,X-Gone,b'],
  ['with tabs and empty items', ',\t, X-Gone ,,'],
] as const) {
  test('9110 7.6.1', `a field that Connection names is dropped: ${name}`, async world => {
    const { request } = forwarded(
      await talk(world, {
        send: get('/', [`Connection: ${connection}`, 'X-Gone: 1', 'X-Gone: 2', 'X-Stays: 3']),
      }),
    );
    assert.equal(requestValues(request, 'x-gone'), []);
    assert.equal(requestValues(request, 'x-stays'), ['3']);
  });
  test('9110 7.6.1', `a field of an answer that Connection names is dropped: ${name}`, async world => {
    const { answer } = forwarded(
      await talk(world, {
        send: get('/'),
        answer: plain('x', [`Connection: ${connection}`, 'X-Gone: 1', 'X-Stays: 3']),
      }),
    );
    assert.equal(valuesOf(answer.fields, 'x-gone'), []);
    assert.equal(valuesOf(answer.fields, 'x-stays'), ['3']);
  });
}
test('9110 7.6.1', 'two Connection fields both count', async world => {
  const { request } = forwarded(
    await talk(world, { send: get('/', ['Connection: X-A', 'X-A: 1', 'Connection: X-B', 'X-B: 2']) }),
  );
  assert.equal([...requestValues(request, 'x-a'), ...requestValues(request, 'x-b')], []);
});
for (const name of [
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'Via',
  'Content-Type',
  'Authorization',
  'Cookie',
  'Cache-Control',
]) {
  test('9110 7.6.1', `Connection: ${name} takes nothing away that the next hop needs`, async world => {
    const chunked = name === 'Transfer-Encoding';
    const send = chunked
      ? 'POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
      : post('abc', [`Connection: ${name}`]);
    const seen = await talk(world, { send });
    if (seen.requests.length === 0)
      return check((seen.answers[0]?.status ?? 0) >= 400, 'neither refused nor served', seen);
    const { request } = forwarded(seen);
    assert.is(request.body, 'abc');
    assert.is(requestValues(request, 'host').length, 1);
    if (name.startsWith('X-Forwarded')) assert.is(requestValues(request, name).length, 1);
  });
}
test('9110 7.6.1', 'Connection: Content-Length of an answer does not change its framing', async world => {
  const seen = await talk(world, { send: get('/'), answer: plain('abc', ['Connection: Content-Length']) });
  check(
    seen.answers[0]?.body === 'abc' || seen.answers[0]?.status === 502,
    'neither whole nor refused',
    seen,
  );
});
for (const connection of ['close', 'Close', 'keep-alive, close']) {
  test(
    '9112 9.6',
    `Connection: ${connection} of a client is about the client's connection only`,
    async world => {
      const seen = await talk(world, { send: get('/', [`Connection: ${connection}`]), answers: 2 });
      assert.is(forwarded(seen).answer.body, 'hello');
      check(seen.closed, 'not closed', seen);
      assert.is(fieldOf(seen.answers[0]!, 'connection')?.toLowerCase(), 'close');
    },
  );
}
test('9112 9.6', 'Connection: close of a replica is about its connection only', async world => {
  const send = get('/one') + get('/two');
  const seen = await talk(world, {
    send,
    answer: (request, socket) =>
      void socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n${request.target}`),
    answers: 2,
  });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['/one', '/two'],
  );
});
test('9112 9.3', 'a client of HTTP/1.0 is closed after its answer', async world => {
  const seen = await talk(world, { send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', answers: 2 });
  assert.is(forwarded(seen).answer.body, 'hello');
  check(seen.closed, 'not closed', seen);
});
should('9112 9.3', 'a client of HTTP/1.0 that asks for keep-alive is told either way', async world => {
  const seen = await talk(world, { send: 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n' });
  const { answer } = forwarded(seen);
  const told = fieldOf(answer, 'connection')?.toLowerCase();
  check(told === 'keep-alive' || told === 'close' || seen.closed, 'not told', seen);
});
should('9110 10.1.4', 'TE: trailers may go on, with Connection: TE', async world => {
  const { request } = forwarded(await talk(world, { send: get('/', ['TE: trailers', 'Connection: TE']) }));
  if (requestValues(request, 'te').length > 0)
    assert.match(requestValues(request, 'connection').join(), /te/i);
});
should('9110 11.7', 'Proxy-Authenticate of a replica is passed on', async world => {
  const { answer } = forwarded(
    await talk(world, { send: get('/'), answer: plain('', ['Proxy-Authenticate: Basic'], '407 P') }),
    407,
  );
  assert.is(fieldOf(answer, 'proxy-authenticate'), 'Basic');
});
for (const field of [
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-For: 1.1.1.1, 2.2.2.2',
  'x-forwarded-for:',
  'X-Forwarded-Proto: ftp',
  'X-Forwarded-Host: evil.test',
  'X-FORWARDED-FOR: "><script>',
]) {
  const name = field.split(':')[0]!;
  test('7239 8.1', `${field} of a client that is not trusted is replaced`, async world => {
    const { request } = forwarded(await talk(world, { send: get('/', [field, field]) }));
    const expected = {
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': world.scheme,
      'x-forwarded-host': 'torc.test',
    }[name.toLowerCase()];
    assert.equal(requestValues(request, name), [expected]);
  });
}
test('7239 8.1', 'the replica learns of the client', async world => {
  const { request } = forwarded(await talk(world, { send: get('/') }));
  assert.equal(requestValues(request, 'x-forwarded-for'), ['127.0.0.1']);
  assert.equal(requestValues(request, 'x-forwarded-proto'), [world.scheme]);
  assert.equal(requestValues(request, 'x-forwarded-host'), ['torc.test']);
});
test('9112 7', 'a chunked request has no length as well', async world => {
  const { request } = forwarded(
    await talk(world, {
      send: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    }),
  );
  assert.is(
    requestValues(request, 'content-length').length + requestValues(request, 'transfer-encoding').length,
    1,
  );
});
test('9112 7', 'a chunked answer has no length as well', async world => {
  const { answer } = forwarded(
    await talk(world, {
      send: get('/'),
      answer: bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'),
    }),
  );
  assert.is(
    valuesOf(answer.fields, 'content-length').length + valuesOf(answer.fields, 'transfer-encoding').length,
    1,
  );
});
test('9110 7.6.1', 'no field of one request appears in the next on the same connection', async world => {
  const seen = await talk(world, {
    send: get('/one', ['X-Secret: 1', 'Cookie: a']) + get('/two'),
    answers: 2,
  });
  assert.is(seen.requests.length, 2);
  assert.not.match(fieldsOf(seen.requests[1]!).join('|'), /secret|cookie/i);
});
for (const field of ['Port: 99', 'Ssl: on', 'Prefix: /x', 'Server: s', 'Scheme: https', 'Uri: /x', 'By: x']) {
  test('7239 8.1', `X-Forwarded-${field} of a client that is not trusted is not passed on`, async world => {
    const { request } = forwarded(await talk(world, { send: get('/', [`X-Forwarded-${field}`]) }));
    assert.not.match(request.head, new RegExp(`x-forwarded-${field}`, 'i'));
  });
}
test('9110 15.5.22', 'a 426 says what to upgrade to', async world => {
  if (hasNoWords(world)) return;
  const fields = ['Connection: Upgrade', 'Upgrade: cake/2'];
  const { answer } = forwarded(
    await talk(world, { send: get('/'), answer: plain('', fields, '426 Upgrade Required') }),
    426,
  );
  assert.is(fieldOf(answer, 'upgrade'), 'cake/2');
  assert.match(valuesOf(answer.fields, 'connection').join(), /upgrade/i);
});
