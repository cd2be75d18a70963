// Connections: pipelining, keep-alive, splits anywhere, half-closing and leaving clients (RFC 9112 sections 2.2, 9).

import type { Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { type Answer, bytes, plain } from '../support/origin.ts';
import { fieldOf, get, type RawClient, rawClient } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  chunkedPost,
  ends,
  forwarded,
  post,
  see,
  talk,
  until,
  withClient,
} from './talk.ts';

export const connections: Case[] = [];
const test = area('connections', connections);
const should = area('connections', connections, 'should');

const echo: Answer = (request, socket) =>
  plain(`${request.method} ${request.target} ${request.body}`)(request, socket);

// ---- splits

const whole = 'POST /s?x=1 HTTP/1.1\r\nHost: a\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello';
for (let at = 1; at < whole.length; at++) {
  test('9112 2.2', `a request cut at byte ${at}`, async world => {
    const seen = await talk(world, { send: [whole.slice(0, at), whole.slice(at)], answer: echo });
    assert.is(forwarded(seen).answer.body, 'POST /s?x=1 hello');
  });
}
const chunked = chunkedPost('5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n');
for (let at = chunked.indexOf('\r\n\r\n') + 1; at < chunked.length; at++) {
  test('9112 7.1', `a chunked request cut at byte ${at}`, async world => {
    assert.is(
      forwarded(await talk(world, { send: [chunked.slice(0, at), chunked.slice(at)], answer: echo })).answer
        .body,
      'POST / hello',
    );
  });
}
const reply =
  'HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n';
for (let at = 1; at < reply.length; at++) {
  test('9112 2.2', `an answer cut at byte ${at}`, async world => {
    const answer: Answer = (_request, socket) => {
      socket.write(reply.slice(0, at));
      setImmediate(() => socket.write(reply.slice(at)));
    };
    assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, 'hello');
  });
}
test('9112 2.2', 'a request byte by byte', async world => {
  assert.is(
    forwarded(await talk(world, { send: [...whole], answer: echo })).answer.body,
    'POST /s?x=1 hello',
  );
});
for (const [name, before] of [
  ['one CRLF', '\r\n'],
  ['two', '\r\n\r\n'],
] as const) {
  should('9112 2.2', `${name} before the request line`, async world => {
    forwarded(await talk(world, { send: before + get('/') }));
  });
  should('9112 2.2', `${name} between two requests`, async world => {
    const seen = await talk(world, { send: get('/one') + before + get('/two'), answers: 2, answer: echo });
    assert.equal(
      seen.answers.map(({ body }) => body),
      ['GET /one ', 'GET /two '],
    );
  });
}
should('9112 2.2', 'a CRLF behind a body, as old clients send it', async world => {
  const seen = await talk(world, { send: `${post('abc')}\r\n${get('/two')}`, answers: 2, answer: echo });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['POST / abc', 'GET /two '],
  );
});

// ---- keep-alive and pipelining

for (const count of [2, 10, 50]) {
  test('9112 9.3', `${count} requests one after the other on one connection`, async world => {
    await withClient(world, { answer: echo }, async client => {
      for (let index = 0; index < count; index++) {
        client.send(get(`/${index}`));
        assert.is((await client.answer()).body, `GET /${index} `);
      }
    });
  });
  test('9112 9.3.2', `${count} pipelined requests are answered in order`, async world => {
    const send = Array.from({ length: count }, (_, index) => get(`/${index}`)).join('');
    const seen = await talk(world, { send, answer: echo, answers: count });
    assert.equal(
      seen.answers.map(({ body }) => body),
      Array.from({ length: count }, (_, index) => `GET /${index} `),
    );
  });
}
test('9112 9.3.2', 'pipelined requests of all kinds', async world => {
  const send =
    get('/1') +
    post('two', [], '/2') +
    chunkedPost('5\r\nthree\r\n0\r\n\r\n') +
    'DELETE /4 HTTP/1.1\r\nHost: a\r\n\r\n' +
    get('/5');
  const seen = await talk(world, { send, answer: echo, answers: 5 });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['GET /1 ', 'POST /2 two', 'POST / three', 'DELETE /4 ', 'GET /5 '],
  );
});
test('9112 9.3.2', 'a slow first one holds its place', async world => {
  const answer: Answer = (request, socket) =>
    void setTimeout(() => echo(request, socket), request.target === '/slow' ? 80 : 0);
  const seen = await talk(world, { send: get('/slow') + get('/fast') + get('/last'), answer, answers: 3 });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['GET /slow ', 'GET /fast ', 'GET /last '],
  );
});
test('9112 9.3.2', 'answers of different framings in order', async world => {
  const answer: Answer = (request, socket) => {
    if (request.target === '/1')
      bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n')(request, socket);
    else if (request.target === '/2') bytes('HTTP/1.1 200 OK\r\n\r\ntwo', { end: true })(request, socket);
    else if (request.target === '/3') bytes('HTTP/1.1 204 No Content\r\n\r\n')(request, socket);
    else plain('four')(request, socket);
  };
  const seen = await talk(world, { send: get('/1') + get('/2') + get('/3') + get('/4'), answer, answers: 4 });
  assert.equal(
    seen.answers.map(({ status, body }) => `${status} ${body}`),
    ['200 one', '200 two', '204 ', '200 four'],
  );
});
test('9112 9.6', 'what is pipelined behind Connection: close is not served', async world => {
  await withClient(world, { answer: echo }, async client => {
    client.send(get('/one', ['Connection: close']) + get('/two'));
    await ends(client);
    assert.equal(
      world.origin.requests.map(({ target }) => target),
      ['/one'],
    );
    assert.match(client.received, /GET \/one/);
  });
});
should('9112 9.3', 'HTTP/1.0 with keep-alive: two requests, or a close that is told', async world => {
  await withClient(world, { answer: echo }, async client => {
    client.send('GET /one HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
    const first = await client.answer();
    assert.is(first.body, 'GET /one ');
    if (fieldOf(first, 'connection')?.toLowerCase() !== 'keep-alive') return ends(client);
    client.send('GET /two HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
    assert.is((await client.answer()).body, 'GET /two ');
  });
});
should('9112 9.3', 'an answer without a length to HTTP/1.0 keep-alive closes', async world => {
  const answer = bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
  const seen = await talk(world, {
    send: 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
    answer,
    answers: 2,
  });
  check(seen.closed && seen.received.endsWith('\r\n\r\nabc'), 'not closed at the end of the body', seen);
});
test('9112 9.3', 'requests of two clients are not mixed', async world => {
  world.origin.answer = echo;
  const clients: RawClient[] = [];
  for (let index = 0; index < 20; index++) clients.push(await rawClient(world.port));
  try {
    for (const [index, client] of clients.entries()) client.send(post(`body ${index}`, [], `/${index}`));
    for (const [index, client] of clients.entries())
      assert.is((await client.answer()).body, `POST /${index} body ${index}`);
  } finally {
    for (const client of clients) client.close();
  }
});
should('9112 9.3', 'an error of the replica does not close the client', async world => {
  await withClient(world, { answer: plain('no', [], '500 Broken') }, async client => {
    client.send(get('/one'));
    assert.is((await client.answer()).status, 500);
    client.send(get('/two'));
    assert.is((await client.answer()).status, 500);
  });
});

// ---- half-close: "I have said all" still wants its answer

for (const [name, send, expected] of [
  ['a request', get('/h'), 'GET /h '],
  ['a request with a body', post('abc'), 'POST / abc'],
  ['a chunked request', chunkedPost('3\r\nabc\r\n0\r\n\r\n'), 'POST / abc'],
] as const) {
  for (const delayMs of [0, 60]) {
    should('9112 9.6', `half-close right behind ${name}, answered after ${delayMs} ms`, async world => {
      const answer: Answer = (request, socket) => void setTimeout(() => echo(request, socket), delayMs);
      const seen = await talk(world, { send, answer, halfClose: true });
      assert.is(forwarded(seen).answer.body, expected);
    });
  }
}
should('9112 9.6', 'half-close in another packet than the request', async world => {
  const waiting: (() => void)[] = [];
  await withClient(
    world,
    { answer: (request, socket) => void waiting.push(() => echo(request, socket)), halfOpen: true },
    async client => {
      client.send(get('/later'));
      await until(() => waiting.length === 1, 'the request');
      client.socket.end();
      await new Promise(resolve => setTimeout(resolve, 30));
      waiting.shift()!();
      assert.is((await client.answer()).body, 'GET /later ');
      await ends(client);
    },
  );
});
should('9112 9.6', 'half-close behind pipelined requests: all are answered', async world => {
  const seen = await talk(world, {
    send: get('/1') + get('/2') + get('/3'),
    answer: echo,
    answers: 3,
    halfClose: true,
  });
  assert.equal(
    seen.answers.map(({ body }) => body),
    ['GET /1 ', 'GET /2 ', 'GET /3 '],
  );
});
should('9112 9.6', 'half-close and a streamed answer of 1 MB', async world => {
  const body = 'x'.repeat(1_000_000);
  const seen = await talk(world, { send: get('/'), answer: plain(body), halfClose: true });
  assert.is(forwarded(seen).answer.body.length, body.length);
});
should('9112 9.6', 'half-close and an answer until close', async world => {
  const seen = await talk(world, {
    send: get('/', ['Connection: close']),
    answer: bytes('HTTP/1.1 200 OK\r\n\r\nuntil', { end: true }),
    halfClose: true,
  });
  assert.is(forwarded(seen).answer.body, 'until');
});
should('9112 9.6', 'half-close of a client of HTTP/1.0', async world => {
  const seen = await talk(world, {
    send: 'GET /old HTTP/1.0\r\nHost: a\r\n\r\n',
    answer: echo,
    halfClose: true,
  });
  assert.is(forwarded(seen).answer.body, 'GET /old ');
});
should('9112 9.6', 'half-close of an unknown method', async world => {
  const seen = await talk(world, {
    send: 'FROB /x HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: echo,
    halfClose: true,
  });
  assert.is(forwarded(seen).answer.body, 'FROB /x ');
});
should('9112 9.6', 'half-close of an idle connection closes it', async world => {
  await withClient(world, { answer: echo, halfOpen: true }, async client => {
    client.send(get('/'));
    await client.answer();
    client.socket.end();
    await ends(client);
  });
});
should('9112 9.6', 'half-close before any request closes', async world => {
  await withClient(world, { halfOpen: true }, async client => {
    client.socket.end();
    await ends(client);
  });
});
for (const [name, send] of [
  ['a head', 'GET / HTTP/1.1\r\nHo'],
  ['a body by length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc'],
  ['a chunk', chunkedPost('5\r\nab')],
  ['chunks', chunkedPost('2\r\nab\r\n')],
] as const) {
  for (const how of ['end', 'reset'] as const) {
    test(
      '9112 8',
      `${how} in the middle of ${name}: the replica never has a complete request`,
      async world => {
        await withClient(world, { halfOpen: true }, async client => {
          client.send(send);
          if (send.startsWith('POST'))
            await until(() => world.origin.bytes.includes('POST') || world.origin.bytes === '', 'the head');
          await new Promise(resolve => setTimeout(resolve, 20));
          if (how === 'end') client.socket.end();
          else client.reset();
          if (how === 'end') await ends(client);
          await new Promise(resolve => setTimeout(resolve, 20));
          assert.is(world.origin.requests.length, 0);
          if (world.origin.bytes !== '')
            await until(() => world.origin.sockets.size === 0 || !busy(world.origin.bytes), 'the cancel');
        });
      },
    );
  }
}
/** Chunked or by length, an upload that was cut must not have got its end from the proxy. */
const busy = (text: string): boolean => /\r\n0\r\n\r\n$/.test(text);

// ---- leaving clients cancel

for (const how of ['reset', 'destroy'] as const) {
  should('9112 9.6', `a client that leaves (${how}) while it waits does no harm`, async world => {
    let carrier: Socket | undefined;
    const silent: Answer = (_request, socket) => {
      carrier = socket;
    };
    await withClient(world, { answer: silent }, async client => {
      client.send(get('/'));
      await until(() => world.origin.requests.length === 1, 'the request');
      if (how === 'reset') client.reset();
      else client.socket.destroy();
      // A FIN alone may be a half-close, so the proxy may wait; a reset is none.
      if (how === 'reset') await until(() => carrier!.destroyed, 'the cancel');
    });
  });
  test('9112 9.6', `a client that leaves (${how}) in the middle of an answer ends it`, async world => {
    let carrier: Socket | undefined;
    const answer: Answer = (_request, socket) => {
      carrier = socket;
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const more = (): void => {
        if (socket.destroyed || socket.bytesWritten > 200_000_000) return;
        if (socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`)) setImmediate(more);
        else socket.once('drain', more);
      };
      more();
    };
    await withClient(world, { answer }, async client => {
      client.send(get('/'));
      await client.has('xxxx');
      if (how === 'reset') client.reset();
      else client.socket.destroy();
      await until(() => carrier!.destroyed, 'the cancel');
    });
  });
}
should('9112 9.6', 'a hundred clients that leave at once', async world => {
  world.origin.answer = () => {};
  const clients: RawClient[] = [];
  for (let index = 0; index < 100; index++) clients.push(await rawClient(world.port));
  for (const client of clients) client.send(get('/'));
  await until(() => world.origin.requests.length >= 50, 'the requests');
  for (const client of clients) client.reset();
  await until(() => world.origin.sockets.size === 0, 'the cancel');
});
should('9112 9.5', 'a client that only connects does no harm', async world => {
  const clients: RawClient[] = [];
  for (let index = 0; index < 50; index++) clients.push(await rawClient(world.port));
  forwarded(await talk(world, { send: get('/') }));
  for (const client of clients) client.close();
});
test('9110 15.5.9', 'a head that does not come to its end is cut off', async world => {
  await withClient(world, {}, async client => {
    client.send('GET / HTTP/1.1\r\nHost: a\r\nX-');
    await ends(client);
    assert.is(world.origin.bytes, '');
    const { answers } = see(client, world.origin);
    if (answers.length > 0) assert.is(answers[0]!.status, 408);
  });
});
test('9110 15.5.9', 'a head that drips is cut off', async world => {
  await withClient(world, {}, async client => {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n');
    for (let index = 0; index < 120 && !client.closed && !client.ended; index++) {
      client.send(`X-${index}: 1\r\n`);
      await new Promise(resolve => setTimeout(resolve, 25));
    }
    assert.ok(client.closed || client.ended);
    assert.is(world.origin.bytes, '');
  });
});
test('9110 15.5.9', 'a body that does not come is cut off', async world => {
  await withClient(world, {}, async client => {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
    await ends(client);
    assert.is(world.origin.requests.length, 0);
  });
});
