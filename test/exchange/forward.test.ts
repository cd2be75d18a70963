// Forwarding as bytes: raw sockets on both sides of a real proxy, so that what a test asserts is what was on the wire.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytes, type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const forward = suite('forward');
let origin: Origin;
let torc: TestProxy;

forward.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startProxy([origin.port]);
});

forward.before.each(() => {
  origin.answer = plain('hello');
  origin.requests.length = 0;
  origin.bytes = '';
});

forward.after(async () => {
  await torc.close();
  await origin.close();
});

/** What no two requests have in common stands last. */
const withoutId = (head: string): string => head.replace(/x-request-id: [0-9a-z-]+\r\n(?=\r\n)/, '');

forward('a small answer leaves as one write, head and body, fields as they came', async () => {
  origin.answer = bytes(
    'HTTP/1.1 200 Very Fine\r\nX-Case: A\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nConnection: keep-alive\r\n' +
      'Keep-Alive: timeout=5\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Length: 2\r\nX-Empty:\r\n\r\nhi',
  );
  const client = await rawClient(torc.port);
  let chunks = 0;
  client.socket.on('data', () => chunks++);
  client.send(get('/x'));
  await client.answer();
  assert.is(
    withoutId(client.received),
    'HTTP/1.1 200 Very Fine\r\nX-Case: A\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n' +
      'Date: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Length: 2\r\nX-Empty:\r\nx-served-by: 1\r\nVia: 1.1 torc\r\n\r\nhi',
  );
  assert.is(chunks, 1);
  client.close();
});

forward('the request: order, case, duplicates, latin1 and the target stay; hop-by-hop goes', async () => {
  const client = await rawClient(torc.port);
  client.send(
    'GET //a/../b%41?x=%zz&y HTTP/1.1\r\nX-One: 1\r\nHost: example.test:80\r\nx-two: \xe9\xff\r\nX-One: 2\r\nX-Empty: \r\n' +
      'Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers, gzip\r\n' +
      'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nVia: 1.0 old\r\n\r\n',
  );
  await client.answer();
  assert.is(
    withoutId(origin.bytes),
    'GET //a/../b%41?x=%zz&y HTTP/1.1\r\nX-One: 1\r\nHost: example.test:80\r\nx-two: \xe9\xff\r\nX-One: 2\r\nX-Empty: \r\n' +
      'Via: 1.0 old\r\nTE: trailers\r\nConnection: TE\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n' +
      'X-Forwarded-Host: example.test:80\r\nVia: 1.1 torc\r\n\r\n',
  );
  client.close();
});

for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'QUERY']) {
  forward(`${method} with and without a body`, async () => {
    const client = await rawClient(torc.port);
    client.send(`${method} /m HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`);
    assert.is((await client.answer()).body, 'hello');
    client.send(`${method} /n HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.is((await client.answer()).body, 'hello');
    assert.equal(
      origin.requests.map(({ method, target, body }) => [method, target, body]),
      [
        [method, '/m', 'abc'],
        [method, '/n', ''],
      ],
    );
    client.close();
  });
}

forward('a chunked request is chunked on, with its trailers', async () => {
  const client = await rawClient(torc.port);
  client.send(
    'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;x=y\r\nabc\r\n',
  );
  await waitFor(() => origin.bytes.includes('abc'), {
    timeoutMs: 2000,
    what: 'the first chunk to be streamed',
  });
  client.send('2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n');
  assert.is((await client.answer()).status, 200);
  assert.is(origin.requests[0]!.body, 'abcde');
  assert.is(origin.requests[0]!.trailers, 'X-Sum: 5');
  client.close();
});

forward(
  'a chunked answer is chunked on, with its trailers; a client of HTTP/1.0 gets it until close',
  async () => {
    origin.answer = bytes(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n',
    );
    const answer = await ask(torc.port, get('/t'));
    assert.is(answer.body, 'abcde');
    assert.is(answer.trailers, 'X-Sum: 5');
    const old = await rawClient(torc.port);
    old.send('GET /t HTTP/1.0\r\n\r\n');
    await old.gone();
    assert.match(old.received, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(old.received, /Connection: close\r\n/);
    assert.ok(old.received.endsWith('\r\n\r\nabcde'), old.received);
  },
);

forward('an answer that ends with the connection is complete for the client', async () => {
  origin.answer = bytes('HTTP/1.1 200 OK\r\n\r\nuntil the end', { end: true });
  const answer = await ask(torc.port, get('/t'));
  assert.is(answer.body, 'until the end');
  assert.is(fieldOf(answer, 'transfer-encoding'), 'chunked');
});

for (const [name, status, request] of [
  ['HEAD', '200 OK', 'HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['304', '304 Not Modified', get('/h')],
] as const) {
  forward(`${name}: a length without a body, and the connection goes on`, async () => {
    origin.answer = bytes(`HTTP/1.1 ${status}\r\nContent-Length: 1234\r\n\r\n`);
    const client = await rawClient(torc.port);
    client.send(request);
    const answer = await client.answer({ head: true });
    assert.is(fieldOf(answer, 'content-length'), '1234');
    origin.answer = plain('next');
    client.send(get('/next'));
    assert.is((await client.answer()).body, 'next');
    client.close();
  });
}

forward('204 has no body and no length', async () => {
  origin.answer = bytes('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n');
  const answer = await ask(torc.port, get('/h'), { head: true });
  assert.is(answer.status, 204);
  assert.is(fieldOf(answer, 'content-length'), undefined);
});

forward('1xx answers reach the client before the final one, but not a client of HTTP/1.0', async () => {
  origin.answer = bytes(
    'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  );
  const client = await rawClient(torc.port);
  client.send(get('/e'));
  await client.answer();
  assert.ok(
    client.received.startsWith(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n',
    ),
  );
  client.close();
  const old = await rawClient(torc.port);
  old.send('GET /e HTTP/1.0\r\n\r\n');
  await old.gone();
  assert.ok(old.received.startsWith('HTTP/1.1 200 OK\r\n'));
});

forward('Expect: 100-continue is the replica’s to answer', async () => {
  const early = await rawOrigin(
    (_request, socket) => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    },
    { atHead: true },
  );
  const own = await startProxy([early.port]);
  const client = await rawClient(own.port);
  client.send('POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n');
  await client.has('HTTP/1.1 100 Continue\r\n\r\n');
  assert.match(early.bytes, /Expect: 100-continue\r\n/);
  client.send('abc');
  assert.is((await client.answer()).status, 200);
  client.close();
  await own.close();
  await early.close();
});

forward('a refused expectation closes the connection: the client may send the body or not', async () => {
  const early = await rawOrigin(bytes('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n'), { atHead: true });
  const own = await startProxy([early.port]);
  const client = await rawClient(own.port);
  client.send('POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n');
  const answer = await client.answer();
  assert.is(answer.status, 417);
  assert.is(fieldOf(answer, 'connection'), 'close');
  await client.gone();
  await own.close();
  await early.close();
});

forward(
  'an early answer arrives while the request still uploads; its connection is not used again',
  async () => {
    const early = await rawOrigin(bytes('HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno'), { atHead: true });
    const own = await startProxy([early.port]);
    const client = await rawClient(own.port);
    client.send('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
    assert.is((await client.answer()).status, 413);
    client.send('def');
    client.send(get('/next'));
    assert.is((await client.answer()).status, 413);
    assert.is(early.connections, 2);
    client.close();
    await own.close();
    await early.close();
  },
);

forward('pipelined requests are answered in order', async () => {
  origin.answer = (request, socket) => {
    const delayed = request.target === '/slow';
    setTimeout(() => plain(request.target)(request, socket), delayed ? 60 : 0);
  };
  const client = await rawClient(torc.port);
  client.send(
    get('/slow') +
      get('/fast') +
      'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx' +
      get('/last'),
  );
  const bodies = [];
  for (let index = 0; index < 4; index++) bodies.push((await client.answer()).body);
  assert.equal(bodies, ['/slow', '/fast', '/post', '/last']);
  client.close();
});

forward('server-sent events are flushed as they come', async () => {
  let socketOfOrigin: { write(text: string): void } | undefined;
  origin.answer = (_request, socket) => {
    socketOfOrigin = socket;
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  };
  const client = await rawClient(torc.port);
  client.send(get('/events'));
  await client.has('text/event-stream');
  for (const event of ['one', 'two']) {
    socketOfOrigin!.write(`b\r\ndata: ${event}\n\n\r\n`);
    await client.has(`data: ${event}`);
  }
  client.close();
  await waitFor(() => origin.sockets.size === 0 || origin.requests.length === 1, {
    timeoutMs: 2000,
    what: 'the cancel',
  });
});

forward('a head without its body does not wait for it', async () => {
  origin.answer = bytes('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
  const client = await rawClient(torc.port);
  client.send(get('/late'));
  await client.has('Via: 1.1 torc\r\nx-request-id: ');
  client.close();
});

forward('absolute form becomes origin form, its authority the host', async () => {
  await ask(torc.port, 'GET http://other.test:81/p?q=1 HTTP/1.1\r\nHost: lie.test\r\n\r\n');
  assert.match(origin.bytes, /^GET \/p\?q=1 HTTP\/1\.1\r\nHost: other\.test:81\r\n/);
  await ask(torc.port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.is(origin.requests[1]!.target, '*');
});

forward('Max-Forwards: counted down, and answered at 0', async () => {
  await ask(torc.port, 'OPTIONS /m HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n');
  assert.match(origin.bytes, /Max-Forwards: 4\r\n/);
  const answer = await ask(torc.port, 'OPTIONS /m HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n');
  assert.is(answer.status, 200);
  assert.is(origin.requests.length, 1);
});

forward('TRACE is refused, also at its last hop, and the connection goes on', async () => {
  const client = await rawClient(torc.port);
  for (const fields of ['', 'Max-Forwards: 0\r\n', 'Max-Forwards: 3\r\n']) {
    client.send(`TRACE /m HTTP/1.1\r\nHost: a\r\n${fields}Cookie: secret\r\n\r\n`);
    const answer = await client.answer();
    assert.is(answer.status, 405);
    assert.match(answer.body, 'TRACE is not served');
    assert.match(client.received, /\r\nallow: GET, HEAD, POST/i);
  }
  assert.is(client.received.includes('secret'), false);
  assert.is(origin.requests.length, 0);
  client.send(get('/after'));
  assert.is((await client.answer()).status, 200);
  client.close();
});

forward('TORC_TRACE=true: TRACE is served, without secrets', async () => {
  const tracing = await startProxy([origin.port], { TRACE: 'true' });
  try {
    const answer = await ask(
      tracing.port,
      'TRACE /m HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: secret\r\n\r\n',
    );
    assert.is(answer.status, 200);
    assert.is(answer.body, 'TRACE /m HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n');
    await ask(tracing.port, 'TRACE /m HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.is(origin.requests.at(-1)!.method, 'TRACE');
  } finally {
    await tracing.close();
  }
});

forward('a replica that poses as another slot or as torc itself is put right', async () => {
  origin.answer = plain('x', [
    'X-Served-By: 9',
    'Via: 1.1 inner, 1.1 torc',
    'X-SERVED-BY: 8',
    'Via: 1.0 TORC (me, me)',
  ]);
  const answer = await ask(torc.port, get('/'));
  const values = (name: string): string[] =>
    answer.fields
      .filter(field => field.toLowerCase().startsWith(`${name}:`))
      .map(field => field.slice(field.indexOf(':') + 1).trim());
  assert.equal(values('x-served-by'), ['1']);
  assert.equal(values('via'), ['1.1 inner', '1.1 torc']);
  assert.is(answer.body, 'x');
});

forward('control requests go to the admin gateway, and only they', async () => {
  torc.adminCalls.length = 0;
  for (const line of [
    'GET /rep',
    'POST /add',
    'DELETE /rm',
    'GET /requests/1?x',
    'GET /metrics',
    'PUT /admin/x',
    'GET http://a/rep',
    'POST /rep',
    'OPTIONS /add',
    'FOO /rm',
  ]) {
    assert.is((await ask(torc.port, `${line} HTTP/1.1\r\nHost: a\r\n\r\n`)).body, 'admin', line);
  }
  for (const line of [
    'GET /report',
    'GET /re%70',
    'GET /\\rep',
    'GET /./rep',
    'GET /requests',
    'GET /administrator',
    'GET /x?/rep',
  ]) {
    assert.is((await ask(torc.port, `${line} HTTP/1.1\r\nHost: a\r\n\r\n`)).body, 'hello', line);
  }
  assert.is(torc.adminCalls.length, 10);
});

forward('64 KiB + and chunk by chunk both ways', async () => {
  const big = 'x'.repeat(300_000);
  origin.answer = (request, socket) => plain(request.body)(request, socket);
  const client = await rawClient(torc.port);
  client.send(`POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: ${big.length}\r\n\r\n${big}`);
  assert.is((await client.answer()).body, big);
  client.close();
});

forward('200 interim answers and then one that counts', async () => {
  origin.answer = bytes(
    `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(200)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
  );
  const client = await rawClient(torc.port);
  client.send(get('/slow'));
  await client.has('\r\n\r\nok');
  assert.is(client.received.match(/HTTP\/1\.1 102 Processing\r\n/g)?.length, 200);
  client.close();
});

forward('a replica that keeps connections for a second is asked over one, not over fifty', async () => {
  let sockets = 0;
  const seen = new Set<unknown>();
  origin.answer = (_request, socket) => {
    if (!seen.has(socket)) sockets++;
    seen.add(socket);
    socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 1\r\n\r\nx');
  };
  for (let index = 0; index < 50; index++) await ask(torc.port, get(`/${index}`));
  // A machine that is busy may take half a second between two of them, but not often.
  assert.ok(sockets < 10, `${sockets} connections`);
});

forward(
  "fields with _ are dropped, or passed but for those that are torc's under another spelling",
  async () => {
    const fields = ['X_Forwarded_For: 1.2.3.4', 'X_Real_Thing: 1', 'X-Forwarded_Proto: https', 'X-Fine: _'];
    await ask(torc.port, get('/a', fields));
    assert.not.match(origin.bytes, /X_|Forwarded_/);
    assert.match(origin.bytes, /\r\nX-Fine: _\r\n/);
    const passing = await startProxy([origin.port], { UNDERSCORE_FIELDS: 'pass' });
    try {
      origin.bytes = '';
      await ask(passing.port, get('/a', [...fields, 'Content_Length: 7', 'X_Served_By: 9']));
      assert.match(origin.bytes, /\r\nX_Real_Thing: 1\r\n/);
      assert.not.match(origin.bytes, /Forwarded_|Content_Length|X_Served_By/i);
    } finally {
      await passing.close();
    }
  },
);

forward.run();
