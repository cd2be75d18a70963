// Requests that two readers could read in two ways (RFC 9112 section 11.2: smuggling), and plain nonsense: each is a 400
// and the end of the connection, and the replica sees nothing of it.

import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const malformed = suite('malformed');
let origin: Origin;
let torc: TestProxy;

malformed.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startProxy([origin.port], { HEADER_TIMEOUT_MS: '300' });
});
malformed.before.each(() => {
  origin.requests.length = 0;
  origin.bytes = '';
});
malformed.after(async () => {
  await torc.close();
  await origin.close();
});

for (const [name, request] of [
  ['two ports', 'GET / HTTP/1.1\r\nHost: a.test:80:81\r\n\r\n'],
  ['a port that is no number', 'GET / HTTP/1.1\r\nHost: a.test:abc\r\n\r\n'],
  ['a port behind an open bracket', 'GET / HTTP/1.1\r\nHost: [::1:80\r\n\r\n'],
  ['such a port in the target', 'GET http://a.test:80:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['equal lengths twice', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
  ['a list of lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na'],
  ['a signed length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na'],
  ['a negative length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na'],
  ['an empty length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n'],
  ['a huge length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n'],
  [
    'length and chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'chunked and length',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
  ],
  [
    'chunked twice',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'chunked, identity',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
  ],
  ['gzip, chunked', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['xchunked', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
  [
    'chunked with a vertical tab',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n',
  ],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['one bare line feed', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n'],
  ['a lone CR', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n'],
  ['a folded field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n'],
  ['a folded first field', 'GET / HTTP/1.1\r\n Host: a\r\nX: a\r\n\r\n'],
  ['space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
  ['space in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n'],
  ['a name without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n'],
  ['an empty name', 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
  ['a null byte', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
  ['a control byte', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\nX: a\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['a host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a relative target', 'GET a/b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['another scheme', 'GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a user in the authority', 'GET http://u:p@a/b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['* that is no OPTIONS', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no version', 'GET /\r\n\r\n'],
  ['version 0.9', 'GET / HTTP/0.9\r\nHost: a\r\n\r\n'],
  ['version 2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
  ['lower-case version', 'GET / http/1.1\r\nHost: a\r\n\r\n'],
  ['TLS on the plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
] as const) {
  malformed(`${name}: 400 and the end`, async () => {
    const client = await rawClient(torc.port);
    client.send(request);
    const answer = await client.answer();
    assert.is(answer.status, 400, client.received);
    assert.is(fieldOf(answer, 'connection'), 'close');
    assert.is(JSON.parse(answer.body).status, 'failure');
    await client.gone();
    assert.is(origin.bytes, '');
  });
}

for (const [name, body] of [
  ['no hex', 'x\r\nabc\r\n0\r\n\r\n'],
  ['an empty size', '\r\nabc\r\n0\r\n\r\n'],
  ['a negative size', '-1\r\nabc\r\n0\r\n\r\n'],
  ['0x', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['a size beyond 64 bits', 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n'],
  ['too few bytes', '5\r\nabc\r\n0\r\n\r\n'],
  ['too many bytes', '2\r\nabc\r\n0\r\n\r\n'],
  ['bare line feeds', '3\nabc\n0\n\n'],
  ['a broken trailer', '3\r\nabc\r\n0\r\nX Y: 1\r\n\r\n'],
] as const) {
  malformed(`a chunk with ${name}: the replica never sees a complete request`, async () => {
    const client = await rawClient(torc.port);
    client.send(`POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
    assert.is((await client.answer()).status, 400);
    await client.gone();
    assert.is(origin.requests.length, 0);
    assert.is((await ask(torc.port, get('/next'))).status, 200);
  });
}

malformed('a good request before a bad one is answered first', async () => {
  const client = await rawClient(torc.port);
  client.send(`${get('/good')}GET / HTTP/1.1\r\nHost : a\r\n\r\n`);
  assert.is((await client.answer()).status, 200);
  assert.is((await client.answer()).status, 400);
  await client.gone();
});

malformed('bytes behind a request are the next request, and nonsense ends it there', async () => {
  const client = await rawClient(torc.port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGARBAGE\r\n\r\n`);
  assert.is((await client.answer()).status, 200);
  assert.is((await client.answer()).status, 400);
  assert.is(origin.requests.length, 1);
  await client.gone();
});

malformed('a head that is too large: 431; 16 KiB of fields and an 8 KiB target pass', async () => {
  assert.is((await ask(torc.port, get('/', [`X: ${'a'.repeat(70_000)}`]))).status, 431);
  const fields = Array.from({ length: 160 }, (_, index) => `X-${index}: ${'v'.repeat(94)}`);
  const answer = await ask(torc.port, get(`/${'t'.repeat(8190)}`, fields));
  assert.is(answer.status, 200);
  assert.ok(origin.bytes.includes(fields.join('\r\n')));
});

malformed('a target that is too long: 414, in one packet or several; fields that are: 431', async () => {
  assert.is((await ask(torc.port, get(`/${'t'.repeat(40_000)}`))).status, 414);
  const client = await rawClient(torc.port);
  client.send(get('/'));
  assert.is((await client.answer()).status, 200);
  client.send(`GET /${'t'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.is((await client.answer()).status, 414);
  await client.gone();
  assert.is((await ask(torc.port, get('/', [`X: ${'a'.repeat(40_000)}`]))).status, 431);
});

malformed('hosts with an empty port, digits, brackets and _ are hosts', async () => {
  for (const host of ['a.test:', 'a.test:080', '[::1]:80', '[::1]', 'my_app:1', ''])
    assert.is((await ask(torc.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status, 200, host);
});

malformed('a head that does not come: 408', async () => {
  const client = await rawClient(torc.port);
  client.send('GET / HTTP/1.1\r\nHost:');
  assert.is((await client.answer()).status, 408);
  await client.gone();
});

malformed('nor anything at all: 408, and what comes too late is not served', async () => {
  // It goes on sending when torc has said its last.
  const client = connect({ port: torc.port, host: '127.0.0.1', allowHalfOpen: true });
  let received = '';
  client
    .on('error', () => {})
    .on('data', chunk => {
      received += chunk.toString();
    });
  await waitFor(() => received.startsWith('HTTP/1.1 408'), { timeoutMs: 20_000, what: 'the 408' });
  client.write(get('/late'));
  // Another one, which has been served, tells that torc has read the late one.
  for (let index = 0; index < 3; index++) assert.is((await ask(torc.port, get('/after'))).status, 200);
  assert.equal(
    origin.requests.map(({ target }) => target),
    ['/after', '/after', '/after'],
  );
  client.destroy();
});

malformed('CONNECT is refused', async () => {
  const client = await rawClient(torc.port);
  client.send('CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n');
  assert.is((await client.answer()).status, 405);
  await client.gone();
});

malformed('none of it is counted as a request of a replica', async () => {
  await waitFor(() => true, { timeoutMs: 1, what: 'nothing' });

  assert.ok(errorCount(torc.counters.collect(), 'BAD_REQUEST') > 40);
});

malformed.run();
