// Answers that are broken, ambiguous or cut: the client never takes them for complete, and the connection that brought
// them never serves anybody again (RFC 9112 sections 4, 6.3, 8, 11.1). That the next request gets its own answer is
// checked behind every case (suite.ts).

import * as assert from 'uvu/assert';
import { type Answer, bytes, plain } from '../support/origin.ts';
import { get } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  ends,
  forwarded,
  isStrict,
  type Seen,
  see,
  talk,
  until,
  withClient,
} from './talk.ts';

export const responses: Case[] = [];
const test = area('responses', responses);
const should = area('responses', responses, 'should');

/** An error of the proxy's own, or an end in the middle: nothing that a client would take for the replica's whole answer. */
function neverComplete(seen: Seen): void {
  const [answer] = seen.answers;
  check(answer === undefined || answer.status >= 500, 'the client has a complete answer', seen);
  if (answer === undefined) check(seen.closed, 'the client still waits', seen);
}

const BROKEN: readonly (readonly [string, string])[] = [
  ['two different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
  ['a list of different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc'],
  ['a minus', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc'],
  ['a plus', 'HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc'],
  ['a hex length', 'HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc'],
  ['a length of letters', 'HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc'],
  ['a length with letters', 'HTTP/1.1 200 OK\r\nContent-Length: 3abc\r\n\r\nabc'],
  ['a length of 2^64 + 3', 'HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551619\r\n\r\nabc'],
  ['no status line', 'Content-Length: 3\r\n\r\nabc'],
  ['garbage', 'garbage\r\n\r\n'],
  ['garbage before', 'garbage\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['nulls', '\x00'.repeat(100)],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a status of letters', 'HTTP/1.1 abc OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a status with a letter', 'HTTP/1.1 2x0 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['no status', 'HTTP/1.1 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a negative status', 'HTTP/1.1 -20 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['status 000', 'HTTP/1.1 000 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['status 099', 'HTTP/1.1 099 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['HTTP/0.9', 'HTTP/0.9 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['http/1.1', 'http/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['another protocol', 'ICY 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a null in a value', 'HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 3\r\n\r\nabc'],
  ['a null in a name', 'HTTP/1.1 200 OK\r\nX\x00A: b\r\nContent-Length: 3\r\n\r\nabc'],
  ['a bare CR in a value', 'HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 3\r\n\r\nabc'],
  ['a second status line', 'HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['an empty name', 'HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 3\r\n\r\nabc'],
  ['a field without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 3\r\n\r\nabc'],
  ['space in a name', 'HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 3\r\n\r\nabc'],
  ['leading space in the first field', 'HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 3\r\n\r\nabc'],
  ['a chunk size of no hex', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n'],
  ['a negative chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n'],
  [
    'a chunk size of 2^64 + 3',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n',
  ],
  ['too few bytes in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n'],
  ['too many bytes in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n'],
  ['no CRLF behind a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n'],
  ['an empty chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n'],
  [
    'a 101 that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
  ],
  [
    '100 kB of fields',
    `HTTP/1.1 200 OK\r\n${`X: ${'v'.repeat(1000)}\r\n`.repeat(100)}Content-Length: 3\r\n\r\nabc`,
  ],
  ['a field of 300 kB', `HTTP/1.1 200 OK\r\nX: ${'v'.repeat(300_000)}\r\nContent-Length: 3\r\n\r\nabc`],
  ['a reason of 300 kB', `HTTP/1.1 200 ${'v'.repeat(300_000)}\r\nContent-Length: 3\r\n\r\nabc`],
];
for (const [name, text] of BROKEN) {
  test('9112 6.3', `broken: ${name}`, async world => {
    neverComplete(await talk(world, { send: get('/'), answer: bytes(text) }));
  });
  test('9112 6.3', `broken and closed: ${name}`, async world => {
    neverComplete(await talk(world, { send: get('/'), answer: bytes(text, { end: true }) }));
  });
}

// ---- refused, or passed on in a form that has one reading

const ONE_READING: readonly (readonly [string, string])[] = [
  ['equal lengths twice', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc'],
  ['equal lengths in a list', 'HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc'],
  [
    'length and chunked',
    'HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  ],
  [
    'chunked and length',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  ],
  [
    'chunked twice',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  ],
  ['only bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 3\n\nabc'],
  ['one bare line feed', 'HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 3\r\n\r\nabc'],
  ['obs-fold', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 3\r\n\r\nabc'],
  ['space before a colon', 'HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 3\r\n\r\nabc'],
  ['space before the colon of the length', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc'],
  ['a control byte', 'HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 3\r\n\r\nabc'],
  ['a control byte in the reason', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 3\r\n\r\nabc'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a tab before the status', 'HTTP/1.1\t200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['an empty line before', '\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['chunked from HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'],
  [
    'a bare LF behind a chunk size',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n',
  ],
  [
    'a space behind a chunk size',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n',
  ],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['obs-text in the reason', 'HTTP/1.1 200 \xe9\r\nContent-Length: 3\r\n\r\nabc'],
  ['garbage behind', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcgarbage'],
  [
    'garbage behind the last chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\ngarbage',
  ],
  [
    'a second answer behind',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
  ],
  ['leading zeros', 'HTTP/1.1 200 OK\r\nContent-Length: 003\r\n\r\nabc'],
];
for (const [name, text] of ONE_READING) {
  test('9112 6.3', `one reading: ${name}`, async world => {
    const seen = await talk(world, { send: get('/'), answer: bytes(text, { end: true }) });
    const [answer] = seen.answers;
    if (answer === undefined || answer.status >= 500) return neverComplete(seen);
    check(answer.body === 'abc', 'another body', seen);
    check(
      isStrict(`${seen.received.slice(0, seen.received.indexOf('\r\n\r\n'))}\r\n`),
      'passed on as it was',
      seen,
    );
    check(!/evil|garbage/.test(seen.received), 'what came behind was passed on', seen);
    const lengths = answer.fields.filter(line => /^(?:content-length|transfer-encoding):/i.test(line));
    check(lengths.length <= 1, 'an ambiguous length was passed on', seen);
  });
}
for (const [name, text] of [
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: cow\r\n\r\nabc'],
  ['gzip, chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'],
  ['identity', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc'],
  ['600', 'HTTP/1.1 600 Own\r\nContent-Length: 3\r\n\r\nabc'],
  ['999', 'HTTP/1.1 999 Own\r\nContent-Length: 3\r\n\r\nabc'],
] as const) {
  should('9112 6.3', `odd: ${name} is refused or whole`, async world => {
    const seen = await talk(world, { send: get('/'), answer: bytes(text, { end: true }) });
    const [answer] = seen.answers;
    check(answer !== undefined || seen.closed, 'the client still waits', seen);
    if (answer !== undefined && answer.status < 500)
      assert.ok(['abc', '3\r\nabc\r\n0\r\n\r\n'].includes(answer.body), answer.body);
  });
}

// ---- cut

for (const [name, text] of [
  ['nothing at all', ''],
  ['in the status line', 'HTTP/1.1 2'],
  ['behind the status line', 'HTTP/1.1 200 OK\r\n'],
  ['in a field', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ['behind a field', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n'],
  ['before the body', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n'],
  ['in a body by length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
  ['before the first chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['in a chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1'],
  ['in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc'],
  ['between chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
  ['in the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n'],
  ['in a trailer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n'],
  ['behind 103', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
  ['behind 100', 'HTTP/1.1 100 Continue\r\n\r\n'],
] as const) {
  for (const how of ['closed', 'reset'] as const) {
    test('9112 8', `cut and ${how}: ${name}`, async world => {
      const answer: Answer = (_request, socket) => {
        if (how === 'closed') socket.end(text, 'latin1');
        else socket.write(text, 'latin1', () => setImmediate(() => socket.resetAndDestroy()));
      };
      neverComplete(await talk(world, { send: get('/'), answer }));
    });
  }
  test('9112 8', `cut for a client of HTTP/1.0: ${name}`, async world => {
    const seen = await talk(world, {
      send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
      answer: bytes(text, { end: true }),
    });
    // Without a length its only sign is a reset; with one, the missing bytes.
    if (/Transfer-Encoding/.test(text))
      return check(!seen.received.includes('\r\n\r\nabc\r\n'), 'framing in the body', seen);
    neverComplete(seen);
  });
}
test('9112 8', 'a cut body of 1 MB', async world => {
  neverComplete(
    await talk(world, {
      send: get('/'),
      answer: bytes(`HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(1_000_000)}`, {
        end: true,
      }),
    }),
  );
});

// ---- bounds

should('9110 15.2', 'interim answers without end are cut off', async world => {
  const answer: Answer = (_request, socket) => {
    const more = (): void => {
      if (socket.destroyed || socket.bytesWritten > 50_000_000) return;
      if (socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(100))) setImmediate(more);
      else socket.once('drain', more);
    };
    more();
  };
  const seen = await talk(world, { send: get('/'), answer });
  neverComplete(seen);
});
should('9112 5', 'a head without end is cut off', async world => {
  const answer: Answer = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const more = (): void => {
      if (socket.destroyed || socket.bytesWritten > 20_000_000) return;
      if (socket.write(`X: ${'v'.repeat(1000)}\r\n`.repeat(10))) setImmediate(more);
      else socket.once('drain', more);
    };
    more();
  };
  neverComplete(await talk(world, { send: get('/'), answer }));
});
should('9112 7.1.2', 'trailers without end are cut off', async world => {
  const answer: Answer = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n');
    const more = (): void => {
      if (socket.destroyed || socket.bytesWritten > 20_000_000) return;
      if (socket.write(`X: ${'v'.repeat(1000)}\r\n`.repeat(10))) setImmediate(more);
      else socket.once('drain', more);
    };
    more();
  };
  const seen = await talk(world, { send: get('/'), answer });
  check(seen.closed && seen.answers.length === 0, 'not cut off', seen);
});

// ---- the pool

for (const [name, text] of [
  ['an answer to nobody', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'],
  ['garbage', 'garbage'],
  ['an empty line', '\r\n'],
  ['408 as some servers send before they close', 'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n'],
] as const) {
  test('9112 9.2', `${name} on an idle connection`, async world => {
    forwarded(await talk(world, { send: get('/') }));
    for (const socket of world.origin.sockets) socket.write(text);
    await new Promise(resolve => setTimeout(resolve, 20));
    world.origin.requests.length = 0;
    assert.is(forwarded(await talk(world, { send: get('/b'), answer: plain('mine') })).answer.body, 'mine');
  });
}
test('9112 9.2', 'an answer before the request', async world => {
  // Written as soon as the connection is there; whatever the proxy does with it, the next request gets its own answer.
  const early = (socket: { write(text: string): void }): void =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  for (const socket of world.origin.sockets) early(socket);
  for (let round = 0; round < 5; round++) {
    const body = `mine ${round}`;
    const seen = await talk(world, { send: get('/'), answer: plain(body) });
    check(
      seen.answers[0]?.body === body || (seen.answers[0]?.status ?? 0) >= 500,
      "somebody else's answer",
      seen,
    );
    for (const socket of world.origin.sockets) early(socket);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
});
test('9112 9.2', 'what comes behind HEAD, 204 and 304 is nobody’s answer', async world => {
  for (const [send, text] of [
    ['HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'],
    [get('/'), 'HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil'],
    [get('/'), 'HTTP/1.1 304 Not\r\nContent-Length: 4\r\n\r\nevil'],
  ] as const) {
    await withClient(world, { answer: bytes(text) }, async client => {
      client.send(send);
      await until(() => client.closed || client.ended || client.received.includes('\r\n\r\n'), 'an answer');
      world.origin.answer = plain('mine');
      if (!client.closed && !client.ended) client.send(get('/next'));
      await until(() => client.closed || client.ended || client.received.includes('mine'), 'the next answer');
      assert.not.match(client.received, /evil/);
    });
  }
});
test('9112 9.3.2', 'answers of pipelined requests are not mixed when one is broken', async world => {
  const answer: Answer = (request, socket) =>
    request.target === '/broken'
      ? bytes('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc')(request, socket)
      : plain(request.target)(request, socket);
  await withClient(world, { answer }, async client => {
    client.send(get('/one') + get('/broken') + get('/three'));
    await until(
      () => client.closed || client.ended || see(client, world.origin).answers.length === 3,
      'the answers',
    );
    const { answers } = see(client, world.origin);
    assert.is(answers[0]?.body, '/one');
    if (answers[1] !== undefined) assert.ok(answers[1].status >= 500);
    if (answers[2] !== undefined) assert.is(answers[2].body, '/three');
  });
});
should('9112 9.5', 'a client gets the end of an answer that the proxy had to cut', async world => {
  await withClient(
    world,
    { answer: bytes('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', { end: true }) },
    async client => {
      client.send(get('/'));
      await ends(client);
    },
  );
});
