// Faults: replicas that refuse, reset or say nothing, and loads that must not grow into memory (CONTRACT.md, "Safe to
// send again"; RFC 9110 sections 9.2.2, 15.6). The retry table over several replicas is test/exchange/faults.test.ts, because
// it needs torc's own routing; here one replica fails and the client hears of it in time.

import type { Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { type Answer, bytes, plain } from '../support/origin.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { area, type Case, check, forwarded, post, talk, until, withClient } from './talk.ts';

export const faults: Case[] = [];
const test = area('faults', faults);
const should = area('faults', faults, 'should');

const METHODS: readonly (readonly [string, string])[] = [
  ['GET', get('/')],
  ['HEAD', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['POST', post('abc')],
  ['PUT', post('abc').replace('POST', 'PUT')],
  ['PATCH', post('abc').replace('POST', 'PATCH')],
  ['FROB', 'FROB / HTTP/1.1\r\nHost: a\r\n\r\n'],
];
const failures: readonly (readonly [string, Answer])[] = [
  ['resets', (_request, socket) => void socket.resetAndDestroy()],
  ['closes', (_request, socket) => void socket.end()],
  ['says nothing', () => {}],
];
for (const [what, answer] of failures) {
  for (const [method, send] of METHODS) {
    test('9110 15.6', `a replica that ${what}: ${method} gets 5xx in time, and only once`, async world => {
      const seen = await talk(world, { send, answer, head: method === 'HEAD' });
      check([502, 503, 504].includes(seen.answers[0]?.status ?? 0), 'no 502, 503 or 504', seen);
      if (method !== 'GET' && method !== 'HEAD' && method !== 'PUT')
        check(world.origin.requests.length === 1, 'sent again', seen);
    });
  }
}
for (const [method, send] of METHODS) {
  test(
    '9112 9.3.1',
    `a pooled connection that the replica closes in the same moment: ${method}`,
    async world => {
      // Answers and closes without a word of it, so that the proxy may believe it can use the connection again.
      const closing: Answer = (request, socket) => {
        if (request.method === 'HEAD') bytes('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')(request, socket);
        else plain('ok')(request, socket);
        socket.end();
      };
      for (let round = 0; round < 5; round++) {
        const seen = await talk(world, { send, answer: closing, head: method === 'HEAD' });
        check(seen.answers[0]?.status === 200, 'lost', seen);
      }
      check(world.origin.requests.length === 5, 'sent twice', {
        answers: [],
        informational: [],
        rest: '',
        received: '',
        closed: true,
        requests: [],
        bytes: world.origin.bytes,
      });
    },
  );
}
test('9110 9.2.2', 'a POST is never sent twice, also when a used connection fails', async world => {
  let resets = 0;
  const answer: Answer = (request, socket) => {
    if (request.target !== '/fail') return plain('ok')(request, socket);
    resets++;
    socket.resetAndDestroy();
  };
  forwarded(await talk(world, { send: get('/'), answer }));
  const seen = await talk(world, { send: post('abc', [], '/fail'), answer });
  check((seen.answers[0]?.status ?? 0) >= 500, 'no error', seen);
  assert.is(resets, 1);
});
should('9112 9.6', 'a replica that closes in the middle of an upload', async world => {
  const answer: Answer = (_request, socket) => void socket.destroy();
  const send = [
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n`,
    ...Array.from({ length: 30 }, () => 'x'.repeat(10_000)),
  ];
  const seen = await talk(world, { send, answer, atHead: true });
  check((seen.answers[0]?.status ?? 502) >= 500, 'no error', seen);
});
test('9110 15.6.5', 'an answer that stalls in its body is cut', async world => {
  const answer: Answer = (_request, socket) =>
    void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
  const seen = await talk(world, { send: get('/'), answer });
  check(seen.closed && seen.answers.length === 0, 'not cut', seen);
});
test('9110 15.6.5', 'a slow answer that keeps coming is not cut', async world => {
  const answer: Answer = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
    let sent = 0;
    const timer = setInterval(() => {
      socket.write('x');
      if (++sent === 5) clearInterval(timer);
    }, 300);
  };
  assert.is(forwarded(await talk(world, { send: get('/'), answer })).answer.body, 'xxxxx');
});

// ---- many and much

test('9112 9.5', '200 requests at once are all answered', async world => {
  world.origin.answer = (request, socket) => plain(request.target)(request, socket);
  // Each asks as soon as it is connected: where that costs a handshake, the first would wait for the last in silence. So
  // few at a time: the replica is in this process, and late while it shakes hands for longer than an answer may take.
  const clients: RawClient[] = [];
  const connect = async (): Promise<void> => {
    const client = await rawClient(world.port);
    client.send(get(`/${clients.push(client) - 1}`));
  };
  while (clients.length < 200) await Promise.all(Array.from({ length: 5 }, connect));
  try {
    for (const [index, client] of clients.entries()) assert.is((await client.answer()).body, `/${index}`);
  } finally {
    for (const client of clients) client.close();
  }
});
should('9112 9.5', 'idle connections do not slow the others', async world => {
  world.origin.answer = plain('ok');
  const clients: RawClient[] = [];
  for (let index = 0; index < 500; index++) clients.push(await rawClient(world.port));
  try {
    for (let round = 0; round < 20; round++)
      forwarded({ ...(await talk(world, { send: get('/') })), requests: world.origin.requests.slice(-1) });
  } finally {
    for (const client of clients) client.close();
  }
});
const MUCH = 16_000_000;
test('9112 6', `${MUCH / 1e6} MB to a slow reader arrive whole, and the replica is slowed`, async world => {
  let written = 0;
  let most = 0;
  let read = 0;
  const answer: Answer = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${MUCH}\r\n\r\n`);
    pump(socket, MUCH, sent => {
      written = sent;
      most = Math.max(most, written - read);
    });
  };
  await withClient(world, { answer }, async client => {
    client.socket.removeAllListeners('data');
    client.socket.on('data', chunk => {
      read += chunk.length;
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    client.send(get('/'));
    await until(() => read >= MUCH, 'the bytes');
    assert.ok(most < MUCH, `${most} bytes were somewhere`);
  });
});
test('9112 6', `${MUCH / 1e6} MB to a slow replica arrive whole`, async world => {
  let read = 0;
  const answer: Answer = (_request, socket) => {
    socket.removeAllListeners('data');
    socket.on('data', chunk => {
      read += chunk.length;
      socket.pause();
      setImmediate(() => socket.resume());
      if (read === MUCH) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  };
  await withClient(world, { answer, atHead: true }, async client => {
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MUCH}\r\n\r\n`);
    await until(() => world.origin.requests.length === 1, 'the head');
    pump(client.socket, MUCH, () => {});
    assert.is((await client.answer()).body, 'ok');
  });
});

function pump(socket: Socket, total: number, onWrite: (sent: number) => void): void {
  const chunk = Buffer.alloc(64_000, 120);
  let sent = 0;
  const more = (): void => {
    while (sent < total && !socket.destroyed) {
      sent += chunk.length;
      onWrite(sent);
      if (!socket.write(chunk)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}
