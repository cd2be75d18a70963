// Bodies: what was sent is what arrives, however it is framed and wherever it is cut, both ways, with trailers, interim
// answers and answers without a body (RFC 9110 sections 6, 8.6, 9.3.2, 10.1.1, 15.2; RFC 9112 sections 6, 7).

import * as assert from 'uvu/assert';
import { type Answer, bytes, plain } from '../support/origin.ts';
import { fieldOf, get } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  chunkedPost,
  ends,
  forwarded,
  post,
  requestValues,
  talk,
  until,
  valuesOf,
  withClient,
} from './talk.ts';

export const bodies: Case[] = [];
const test = area('bodies', bodies);
const should = area('bodies', bodies, 'should');

const chunksOf = (body: string, size: number): string => {
  let text = '';
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    text += `${part.length.toString(16)}\r\n${part}\r\n`;
  }
  return `${text}0\r\n\r\n`;
};
const cut = (text: string, size: number): string[] =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
const allBytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');

const BODIES: readonly (readonly [string, string])[] = [
  ['1 byte', 'x'],
  ['all 256 bytes', allBytes],
  ['a request inside', 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an end of chunks inside', '0\r\n\r\n'],
  ['64 KiB', allBytes.repeat(256)],
  ['300 kB', 'x'.repeat(300_000)],
];
for (const [name, body] of BODIES) {
  test('9112 6.2', `request of ${name} by length`, async world => {
    assert.is(forwarded(await talk(world, { send: post(body) })).request.body === body, true);
  });
  test('9112 7.1', `request of ${name} in one chunk`, async world => {
    const { request } = forwarded(await talk(world, { send: chunkedPost(chunksOf(body, body.length)) }));
    assert.is(request.body === body, true);
  });
  test('9112 6.2', `answer of ${name} by length`, async world => {
    assert.is(
      forwarded(await talk(world, { send: get('/'), answer: plain(body) })).answer.body === body,
      true,
    );
  });
  test('9112 7.1', `answer of ${name} in one chunk`, async world => {
    const answer = bytes(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunksOf(body, body.length)}`,
    );
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body === body, true);
  });
  test('9112 6.3', `answer of ${name} until the connection closes`, async world => {
    const answer = bytes(`HTTP/1.1 200 OK\r\n\r\n${body}`, { end: true });
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body === body, true);
  });
}

// ---- cut anywhere

const FEW = 'abcdefghijklmnopqrstuvwxyz';
for (const size of [1, 2, 3, 7]) {
  test('9112 7.1', `chunked request, ${size} bytes a packet`, async world => {
    const { request } = forwarded(await talk(world, { send: cut(chunkedPost(chunksOf(FEW, 5)), size) }));
    assert.is(request.body, FEW);
  });
  test('9112 6.2', `request by length, ${size} bytes a packet`, async world => {
    assert.is(forwarded(await talk(world, { send: cut(post(FEW), size) })).request.body, FEW);
  });
  test('9112 7.1', `chunked answer, ${size} bytes a packet`, async world => {
    const answer = slowly(
      cut(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunksOf(FEW, 5)}`, size),
    );
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, FEW);
  });
  test('9112 6.2', `answer by length, ${size} bytes a packet`, async world => {
    const answer = slowly(cut(`HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n${FEW}`, size));
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, FEW);
  });
}
for (const [name, chunks] of [
  ['upper-case size', 'A\r\n0123456789\r\n0\r\n\r\n'],
  ['lower-case size', 'a\r\n0123456789\r\n0\r\n\r\n'],
  ['leading zeros', '000a\r\n0123456789\r\n0\r\n\r\n'],
  ['last chunk 000', 'a\r\n0123456789\r\n000\r\n\r\n'],
  ['an extension', 'a;name=value\r\n0123456789\r\n0\r\n\r\n'],
  ['a quoted extension', 'a;name="va;l\\"ue"\r\n0123456789\r\n0\r\n\r\n'],
  ['an extension without a value', 'a;name\r\n0123456789\r\n0;last\r\n\r\n'],
  ['several extensions', 'a;a=1;b=2\r\n0123456789\r\n0\r\n\r\n'],
  [
    'ten chunks',
    '1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n1\r\n4\r\n1\r\n5\r\n1\r\n6\r\n1\r\n7\r\n1\r\n8\r\n1\r\n9\r\n0\r\n\r\n',
  ],
] as const) {
  test('9112 7.1', `chunks of a request: ${name}`, async world => {
    assert.is(forwarded(await talk(world, { send: chunkedPost(chunks) })).request.body, '0123456789');
  });
  test('9112 7.1', `chunks of an answer: ${name}`, async world => {
    const answer = bytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`);
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, '0123456789');
  });
}
for (const value of ['Chunked', 'CHUNKED']) {
  test('9112 6.1', `transfer coding names ignore case: ${value}`, async world => {
    const { request } = forwarded(
      await talk(world, {
        send: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${value}\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
      }),
    );
    assert.is(request.body, 'x');
  });
  test('9112 6.1', `transfer coding names of an answer ignore case: ${value}`, async world => {
    const answer = bytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: ${value}\r\n\r\n1\r\nx\r\n0\r\n\r\n`);
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, 'x');
  });
}
for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
  test('9110 8.6', `${method} with Content-Length: 0`, async world => {
    const { request } = forwarded(
      await talk(world, { send: `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n` }),
    );
    assert.equal(
      [requestValues(request, 'content-length'), requestValues(request, 'transfer-encoding')].flat(),
      ['0'],
    );
  });
  test('9112 7.1', `${method} with an empty chunked body`, async world => {
    assert.is(
      forwarded(
        await talk(world, {
          send: `${method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        }),
      ).request.body,
      '',
    );
  });
}
for (const method of ['POST', 'PUT', 'PATCH']) {
  should('9110 8.6', `${method} without any length has no body and does not wait for one`, async world => {
    forwarded(await talk(world, { send: `${method} / HTTP/1.1\r\nHost: a\r\n\r\n` }));
  });
}

// ---- streamed, not collected

test('9112 7.1', 'the first chunk of a request is there before the last is sent', async world => {
  await withClient(world, {}, async client => {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await until(() => world.origin.bytes.includes('abc'), 'the chunk');
    client.send('0\r\n\r\n');
    assert.is((await client.answer()).status, 200);
  });
});
test('9112 6.2', 'the first bytes of a request by length are there before the last', async world => {
  await withClient(world, {}, async client => {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
    await until(() => world.origin.bytes.includes('abc'), 'the bytes');
    client.send('def');
    assert.is((await client.answer()).status, 200);
  });
});
for (const [name, head, piece] of [
  ['by length', 'Content-Length: 6', 'abc'],
  ['chunked', 'Transfer-Encoding: chunked', '3\r\nabc\r\n'],
  ['until close', 'X: 1', 'abc'],
] as const) {
  test('9112 6', `the first bytes of an answer ${name} do not wait for the last`, async world => {
    await withClient(world, { answer: bytes(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${piece}`) }, async client => {
      client.send(get('/'));
      await client.has('abc');
    });
  });
  should('9112 6', `the head of an answer ${name} does not wait for its body`, async world => {
    await withClient(
      world,
      { answer: bytes(`HTTP/1.1 200 OK\r\n${head}\r\nX-Early: yes\r\n\r\n`) },
      async client => {
        client.send(get('/'));
        await until(() => /x-early: yes/i.test(client.received), 'the head');
      },
    );
  });
}
test('WHATWG SSE', 'events arrive one by one', async world => {
  const answer: Answer = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  };
  await withClient(world, { answer }, async client => {
    client.send(get('/'));
    await client.has('text/event-stream');
    for (const event of ['one', 'two', 'three']) {
      const data = `data: ${event}\n\n`;
      for (const socket of world.origin.sockets) socket.write(`${data.length.toString(16)}\r\n${data}\r\n`);
      await client.has(`data: ${event}`);
    }
  });
});
test(
  '9112 6.3',
  'an answer without a length to a client of HTTP/1.0 ends with the connection',
  async world => {
    const answer = bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    const seen = await talk(world, { send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', answer });
    assert.not.match(seen.received, /transfer-encoding/i);
    assert.ok(seen.received.endsWith('\r\n\r\nabc'), seen.received);
  },
);

// ---- trailers

test('9110 6.5', 'trailers of a request are passed on or dropped, never merged', async world => {
  const { request } = forwarded(
    await talk(world, {
      send: chunkedPost('1\r\nx\r\n0\r\nX-Sum: 5\r\nX-Two: 6\r\n\r\n', ['Trailer: X-Sum', 'TE: trailers']),
    }),
  );
  assert.is(request.body, 'x');
  assert.ok(
    ['', 'X-Sum: 5\r\nX-Two: 6', 'x-sum: 5\r\nx-two: 6'].includes(request.trailers),
    request.trailers,
  );
  assert.equal(requestValues(request, 'x-sum'), []);
});
test('9110 6.5', 'trailers of an answer are passed on or dropped, never merged', async world => {
  const answer = bytes(
    'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 5\r\nX-Two: 6\r\n\r\n',
  );
  const seen = forwarded(await talk(world, { send: get('/', ['TE: trailers', 'Connection: TE']), answer }));
  assert.is(seen.answer.body, 'x');
  assert.ok(
    ['', 'X-Sum: 5\r\nX-Two: 6', 'x-sum: 5\r\nx-two: 6'].includes(seen.answer.trailers),
    seen.answer.trailers,
  );
  assert.equal(valuesOf(seen.answer.fields, 'x-sum'), []);
});
const FORBIDDEN = [
  'Content-Length: 3',
  'Transfer-Encoding: chunked',
  'Host: evil',
  'Connection: close',
  'Trailer: X',
  'Authorization: x',
  'Content-Type: evil/x',
  'Content-Encoding: gzip',
  'Content-Range: bytes 0-1/2',
  'Cookie: a=b',
  'Set-Cookie: a=b',
  'TE: x',
  'Upgrade: x',
  'Keep-Alive: 1',
  'Cache-Control: no-store',
  'X-Forwarded-For: 6.6.6.6',
  'Expect: 100-continue',
  'Max-Forwards: 1',
  'Proxy-Connection: x',
];
for (const field of FORBIDDEN) {
  should('9110 6.5.1', `${field.split(':')[0]} is no trailer of a request`, async world => {
    const seen = await talk(world, {
      send: chunkedPost(`1\r\nx\r\n0\r\n${field}\r\nX-Sum: 5\r\n\r\n`, ['TE: trailers']),
    });
    const [request] = seen.requests;
    if (request === undefined)
      check((seen.answers[0]?.status ?? 400) >= 400, 'neither refused nor passed on', seen);
    else assert.not.match(request.trailers, new RegExp(`^${field.split(':')[0]}:`, 'im'));
  });
  should('9110 6.5.1', `${field.split(':')[0]} is no trailer of an answer`, async world => {
    const answer = bytes(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n${field}\r\nX-Sum: 5\r\n\r\n`,
    );
    const seen = await talk(world, { send: get('/', ['TE: trailers', 'Connection: TE']), answer });
    const trailers = seen.answers[0]?.trailers ?? '';
    assert.not.match(trailers, new RegExp(`^${field.split(':')[0]}:`, 'im'));
  });
}

// ---- answers without a body

for (const head of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'X: 1']) {
  test('9110 9.3.2', `HEAD with ${head} has no body, and the connection goes on`, async world => {
    const answer: Answer = (request, socket) =>
      request.method === 'HEAD'
        ? bytes(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`)(request, socket)
        : plain('next')(request, socket);
    await withClient(world, { answer }, async client => {
      client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
      const first = await client.answer({ head: true });
      assert.is(first.status, 200);
      if (head.startsWith('Content')) assert.is(fieldOf(first, 'content-length'), '5');
      client.send(get('/next'));
      assert.is((await client.answer()).body, 'next');
    });
  });
  test('9110 15.4.5', `304 with ${head} has no body, and the connection goes on`, async world => {
    const answer: Answer = (request, socket) =>
      request.target === '/'
        ? bytes(`HTTP/1.1 304 Not Modified\r\n${head}\r\n\r\n`)(request, socket)
        : plain('next')(request, socket);
    await withClient(world, { answer }, async client => {
      client.send(get('/', ['If-None-Match: "x"']));
      assert.is((await client.answer({ head: true })).status, 304);
      client.send(get('/next'));
      assert.is((await client.answer()).body, 'next');
    });
  });
}
for (const status of ['204 No Content', '304 Not Modified']) {
  test('9112 6.3', `${status} ends at its head, and the connection goes on`, async world => {
    const answer: Answer = (request, socket) =>
      request.target === '/'
        ? bytes(`HTTP/1.1 ${status}\r\nX: 1\r\n\r\n`)(request, socket)
        : plain('next')(request, socket);
    await withClient(world, { answer }, async client => {
      client.send(get('/'));
      const first = await client.answer({ head: true });
      assert.is(String(first.status), status.slice(0, 3));
      assert.is(fieldOf(first, 'transfer-encoding'), undefined);
      if (first.status === 204) assert.is(fieldOf(first, 'content-length'), undefined);
      client.send(get('/next'));
      assert.is((await client.answer()).body, 'next');
    });
  });
}
test('9110 8.6', 'a length of 204 is not passed on', async world => {
  const { answer } = forwarded(
    await talk(world, {
      send: get('/'),
      answer: bytes('HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n'),
      head: true,
    }),
    204,
  );
  assert.is(fieldOf(answer, 'content-length'), undefined);
});
should('9110 15.3.6', '205 with an empty body', async world => {
  forwarded(await talk(world, { send: get('/'), answer: plain('', [], '205 Reset Content') }), 205);
});
test('9112 6.3', 'an answer of length 0', async world => {
  assert.is(forwarded(await talk(world, { send: get('/'), answer: plain('') })).answer.body, '');
});
test('9112 6.3', 'HEAD and a body that should not be there never reaches the next client', async world => {
  const seen = await talk(world, {
    send: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: plain('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
    head: true,
  });
  check(!seen.received.includes('evil'), 'the body was passed on', seen);
});

// ---- interim answers

for (const status of ['102 Processing', '103 Early Hints', '199 Own']) {
  test('9110 15.2', `${status} is passed on before the final answer`, async world => {
    const answer = bytes(
      `HTTP/1.1 ${status}\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`,
    );
    const seen = await talk(world, { send: get('/'), answer });
    assert.is(forwarded(seen).answer.body, 'hi');
    assert.equal(seen.informational, [Number(status.slice(0, 3))]);
    check(/link: <\/a>/i.test(seen.received), 'its field is gone', seen);
  });
}
test('9110 15.2', 'several interim answers, each once and in order', async world => {
  const answer = bytes(
    'HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\n\r\nHTTP/1.1 103 E\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  );
  const seen = await talk(world, { send: get('/'), answer });
  forwarded(seen);
  assert.equal(seen.informational, [102, 103, 103]);
});
test('9110 15.2', 'an interim answer does not wait for the final one', async world => {
  await withClient(
    world,
    { answer: bytes('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n') },
    async client => {
      client.send(get('/'));
      await client.has(' 103 ');
      for (const socket of world.origin.sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      assert.is((await client.answer()).status, 200);
    },
  );
});
test('9110 15.2', 'a client of HTTP/1.0 gets no interim answer', async world => {
  const answer = bytes('HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
  const seen = await talk(world, { send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', answer });
  assert.is(forwarded(seen).answer.body, 'hi');
  assert.equal(seen.informational, []);
});
test('9110 15.2', 'an unasked 100 is no final answer', async world => {
  const seen = await talk(world, {
    send: get('/'),
    answer: bytes('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'),
  });
  assert.is(forwarded(seen).answer.body, 'hi');
});

// ---- expect: 100-continue

/** A request that the proxy made of a body; the body itself may be streamed on. */
const SMUGGLED = /GET \/smuggled HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)*x-forwarded-for:/i;

const expecting = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n';
const goOn: Answer = (request, socket) => {
  socket.write('HTTP/1.1 100 Continue\r\n\r\n');
  until(
    () => /\r\n\r\n(?:abc|3\r\nabc\r\n0\r\n\r\n)$/.test(request.head) || socketsGot(socket),
    'the body',
  ).then(
    () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    () => {},
  );
};
const socketsGot = (socket: { bytesRead: number } & object): boolean => got.get(socket) === true;
const got = new WeakMap<object, boolean>();
const listening: Answer = (request, socket) => {
  // Behind the head come bytes of the body, whatever they look like.
  if (got.has(socket)) return;
  got.set(socket, false);
  socket.once('data', () => got.set(socket, true));
  goOn(request, socket);
};
test('9110 10.1.1', 'a client that waits is told to go on', async world => {
  await withClient(world, { answer: listening, atHead: true }, async client => {
    client.send(expecting);
    await client.has('100 Continue');
    client.send('abc');
    const answer = await client.answer();
    assert.is(answer.body, 'ok');
    assert.is(client.received.split('100 Continue').length, 2, 'one 100');
  });
});
test('9110 10.1.1', 'a chunked client that waits is told to go on', async world => {
  await withClient(world, { answer: listening, atHead: true }, async client => {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n');
    await client.has('100 Continue');
    client.send('3\r\nabc\r\n0\r\n\r\n');
    assert.is((await client.answer()).body, 'ok');
  });
});
test('9110 10.1.1', 'a client that does not wait is served', async world => {
  const { request } = forwarded(await talk(world, { send: `${expecting}abc` }));
  assert.is(request.body, 'abc');
});
for (const status of ['417 Expectation Failed', '401 Unauthorized', '413 Too Large', '200 OK']) {
  test('9110 10.1.1', `${status} instead of 100 reaches the client that waits`, async world => {
    const seen = await talk(world, { send: expecting, answer: plain('final', [], status), atHead: true });
    assert.is(seen.answers[0]?.body, 'final', JSON.stringify(seen));
    assert.is(String(seen.answers[0]!.status), status.slice(0, 3));
  });
}
test('9110 10.1.1', 'after a refusal the body that is sent anyway is no next request', async world => {
  await withClient(world, { answer: plain('no', [], '417 No'), atHead: true }, async client => {
    client.send(expecting.replace('Length: 3', 'Length: 35'));
    assert.is((await client.answer()).status, 417);
    client.send('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise(resolve => setTimeout(resolve, 50));
    assert.not.match(world.origin.bytes, SMUGGLED);
  });
});
should('9110 10.1.1', 'an unknown expectation is refused with 417 or passed on', async world => {
  const seen = await talk(world, { send: get('/', ['Expect: cake']) });
  check([200, 417].includes(seen.answers[0]?.status ?? 0), 'neither', seen);
});
test('9110 10.1.1', 'a client of HTTP/1.0 that expects is answered without 100', async world => {
  const seen = await talk(world, {
    send: 'POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
  });
  assert.is(forwarded(seen).request.body, 'abc');
  assert.equal(seen.informational, []);
});
should('9110 10.1.1', 'an expectation without a body', async world => {
  forwarded(await talk(world, { send: get('/', ['Expect: 100-continue']) }));
});

// ---- early answers

for (const status of ['413 Too Large', '401 No', '200 OK']) {
  test('9112 9.3', `${status} while the request still uploads reaches the client`, async world => {
    const seen = await talk(world, {
      send: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\npart',
      answer: plain('early', [], status),
      atHead: true,
    });
    assert.is(seen.answers[0]?.body, 'early', seen.received);
  });
}
test('9112 9.3', 'an early answer, and the rest of the upload is no next request', async world => {
  const inner = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
  await withClient(world, { answer: plain('early', [], '413 No'), atHead: true }, async client => {
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length + 3}\r\n\r\nabc`);
    assert.is((await client.answer()).status, 413);
    client.send(inner);
    await new Promise(resolve => setTimeout(resolve, 50));
    assert.not.match(world.origin.bytes, SMUGGLED);
  });
});
test('9112 9.3', 'an early answer and a closed replica reach a client that uploads 2 MB', async world => {
  const answer: Answer = (_request, socket) => {
    socket.end('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nearly');
  };
  const seen = await talk(world, {
    send: [
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n`,
      ...cut('x'.repeat(2_000_000), 50_000),
    ],
    answer,
    atHead: true,
  });
  assert.is(seen.answers[0]?.status, 413, seen.received);
});

function slowly(pieces: readonly string[]): Answer {
  return (_request, socket) => {
    let index = 0;
    const next = (): void => {
      if (index >= pieces.length || socket.destroyed) return;
      socket.write(pieces[index++]!, 'latin1');
      setImmediate(next);
    };
    next();
  };
}

// ---- bodies that should not be there

for (const [name, send, head] of [
  ['HEAD by length', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5'],
  ['HEAD in chunks', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked'],
  ['204', get('/'), 'HTTP/1.1 204 No Content'],
  ['204 by length', get('/'), 'HTTP/1.1 204 No Content\r\nContent-Length: 5'],
  ['204 in chunks', get('/'), 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked'],
  ['304', get('/'), 'HTTP/1.1 304 Not Modified\r\nETag: "x"'],
  ['304 by length', get('/'), 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5'],
] as const) {
  for (const how of ['in the same packet', 'in the next packet'] as const) {
    test('9112 6.3', `a body behind ${name}, ${how}: the answer ends at its head`, async world => {
      const body = name.includes('chunks') ? '5\r\nstray\r\n0\r\n\r\n' : 'stray';
      const answer: Answer = (request, socket) => {
        if (request.target === '/next') return plain('next')(request, socket);
        if (how === 'in the same packet') return void socket.write(`${head}\r\n\r\n${body}`);
        socket.write(`${head}\r\n\r\n`);
        setTimeout(() => socket.write(body), 15);
      };
      await withClient(world, { answer }, async client => {
        client.send(send);
        assert.is((await client.answer({ head: true })).status, Number(head.slice(9, 12)));
        // Bytes that come while the next request is under way would be its answer, and nobody can tell.
        await new Promise(resolve => setTimeout(resolve, 40));
        client.send(get('/next'));
        assert.is((await client.answer()).body, 'next');
        assert.not.match(client.received, /stray/);
      });
    });
  }
}
for (const zeros of [12, 16, 100]) {
  test('9112 7.1', `${zeros} zeros before the size of a chunk of an answer`, async world => {
    const answer = bytes(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'0'.repeat(zeros)}3\r\nabc\r\n${'0'.repeat(zeros)}\r\n\r\n`,
    );
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, 'abc');
  });
}
test('9112 7.1', 'interim answer, chunks with extensions and trailers, byte by byte', async world => {
  const answer = slowly([
    ...'HTTP/1.1 103 E\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  ]);
  const seen = await talk(world, { send: get('/'), answer });
  assert.is(forwarded(seen).answer.body, 'abc');
  assert.equal(seen.informational, [103]);
});

// ---- early answers to clients that write on: a reset must not take the answer away

const REFUSAL = 'HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nearly';
const REFUSERS: readonly (readonly [string, Answer])[] = [
  ['stays', (_request, socket) => void socket.write(REFUSAL)],
  ['closes its half', (_request, socket) => void socket.end(REFUSAL)],
  ['closes', (_request, socket) => void socket.write(REFUSAL, () => socket.destroy())],
  [
    'closes after a while',
    (_request, socket) => void setTimeout(() => socket.write(REFUSAL, () => socket.destroy()), 20),
  ],
];
for (const [client, line] of [
  ['that keeps its connection', 'POST / HTTP/1.1\r\nHost: a'],
  ['that says close', 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close'],
  ['of HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a'],
] as const) {
  for (const size of [30_000, 1_000_000]) {
    for (const [what, answer] of REFUSERS) {
      const kind = what.startsWith('closes') && what !== 'closes its half' ? should : test;
      kind(
        '9112 9.6',
        `413 of a replica that ${what}, to a client ${client} with ${size} bytes`,
        async world => {
          await withClient(world, { answer, atHead: true, halfOpen: true }, async raw => {
            raw.send(`${line}\r\nContent-Length: ${size}\r\n\r\n`);
            for (let sent = 0; sent < size; sent += 10_000) {
              raw.send('x'.repeat(10_000));
              if (sent % 100_000 === 0) await new Promise(resolve => setImmediate(resolve));
            }
            await until(() => raw.received.endsWith('early') || raw.closed || raw.ended, 'the answer');
            assert.match(raw.received, /^HTTP\/1\.1 413 [\s\S]*early$/);
          });
        },
      );
    }
  }
}
test('9112 9.6', 'a refusal of the proxy itself reaches a client that writes on', async world => {
  await withClient(world, { halfOpen: true }, async client => {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
    for (let sent = 0; sent < 20; sent++) {
      client.send('x'.repeat(50_000));
      await new Promise(resolve => setImmediate(resolve));
    }
    await ends(client);
    assert.match(client.received, /^HTTP\/1\.1 [45]/);
  });
});
test('9112 9.6', 'an upload behind its answer is not read for ever', async world => {
  await withClient(world, { answer: plain('no', [], '413 No'), atHead: true }, async client => {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    assert.is((await client.answer()).status, 413);
    const drip = setInterval(() => client.send('x'.repeat(1000)), 20);
    await ends(client).finally(() => clearInterval(drip));
  });
});
for (const [name, size] of [
  ['a space', '3 '],
  ['a tab', '3\t'],
  ['spaces before an extension', '3  ;a=b'],
  ['spaces around all of an extension', '3 ; a = b'],
] as const) {
  should('9112 7.1.1', `${name} behind the size of a chunk of an answer`, async world => {
    const answer = bytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\nabc\r\n0\r\n\r\n`);
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, 'abc');
  });
}
test('9110 10.1.1', 'a client that was not told to go on and goes on keeps its connection', async world => {
  await withClient(world, { answer: plain('ok') }, async client => {
    client.send(expecting);
    await until(() => world.origin.bytes.includes('100-continue'), 'the head');
    client.send('abc');
    assert.is((await client.answer()).body, 'ok');
    client.send(get('/next'));
    assert.is((await client.answer()).body, 'ok');
  });
});
test(
  '9110 8.6',
  'an interim answer has no length, and its other fields are kept byte for byte',
  async world => {
    const answer = bytes(
      'HTTP/1.1 103 E\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX-High: \xe9\xff\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
    );
    const broken = bytes(
      'HTTP/1.1 103 E\r\nContent-Length: 5\r\nX-High: \xe9\xff\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
    );
    for (const each of [answer, broken]) {
      const seen = await talk(world, { send: get('/'), answer: each });
      const [answered] = seen.answers;
      check(answered?.body === 'hi' || (answered?.status ?? 0) >= 500, 'neither whole nor refused', seen);
      const interim = seen.received.slice(0, seen.received.indexOf('\r\n\r\n'));
      if (!interim.startsWith('HTTP/1.1 103')) continue;
      assert.not.match(interim, /content-length|transfer-encoding/i);
      assert.match(interim, /x-high: \xe9\xff/i);
    }
  },
);
