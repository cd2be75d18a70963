// HTTP/2 to the replicas: heads, bodies and ends as they arrive on both sides; what a replica did not process is asked of
// another one, whatever the method; what it may have processed is not. Real sessions of node:http2, and bytes where it would not send them.

import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  frameOrigin,
  type H2Origin,
  h2Origin,
  OK,
  type SeenStream,
  type StreamAnswer,
  whole,
} from '../support/h2-origin.ts';
import {
  CANCEL,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  HEADERS,
  INTERNAL_ERROR,
  REFUSED_STREAM,
  RST_STREAM,
  SETTINGS as SETTINGS_FRAME,
  uint32,
} from '../support/http2.ts';
import { plain, rawOrigin } from '../support/origin.ts';
import { errorCount, snapshotOf, startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, type RawClient, rawClient } from '../support/raw.ts';
import { isStill, waitFor } from '../support/wait.ts';

const http2 = suite('http2');
const silent: StreamAnswer = () => {};

const SETTINGS = {
  REPLICA_PROTOCOL: 'h2c',
  UPSTREAMS: '127.0.0.1:1',
  RESPONSE_TIMEOUT_MS: '600000',
  CONNECT_TIMEOUT_MS: '10000',
};

/** Slot 1 answers as told; slot 2 stands in. */
async function withTwo(
  answer: StreamAnswer,
  body: (torc: TestProxy, first: H2Origin, other: H2Origin) => Promise<void>,
  settings: Record<string, string> = {},
  options = {},
): Promise<void> {
  const [first, other] = [await h2Origin(answer, options), await h2Origin(whole('other'))];
  const torc = await startProxy([first.port, other.port], { ...SETTINGS, ...settings });
  try {
    await body(torc, first, other);
  } finally {
    await torc.close();
    await Promise.all([first.close(), other.close()]);
  }
}

const post = (target: string, body = 'once', fields: readonly string[] = []): string =>
  `POST ${target} HTTP/1.1\r\n${['Host: torc.test', `Content-Length: ${body.length}`, ...fields].join('\r\n')}\r\n\r\n${body}`;
const chunked = (target: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: torc.test\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
const streamsAt = (origin: H2Origin, count: number): Promise<void> =>
  waitFor(() => origin.streams.length >= count, { timeoutMs: 10_000, what: `${count} streams` });
const closedWith = (seen: SeenStream, code: number): Promise<void> =>
  waitFor(() => seen.code === code, { timeoutMs: 10_000, what: `a stream closed with ${code}` });

// ---- what arrives

http2('a request has its pseudo-fields, its own fields in order, and none of the connection', () =>
  withTwo(whole('well'), async (torc, first) => {
    const answer = await ask(
      torc.port,
      get('/a?b=%20c', [
        'X-One: 1',
        'Connection: keep-alive, X-Hop',
        'X-Hop: 1',
        'TE: trailers',
        'X-One: 2',
        'Cookie: a=b; c=d',
      ]),
    );
    assert.is(answer.body, 'well');
    assert.is(fieldOf(answer, 'via'), '2.0 torc');
    const { raw } = first.streams[0]!;
    const fields = [];
    for (let index = 0; index < raw.length; index += 2) fields.push(`${raw[index]}: ${raw[index + 1]}`);
    assert.equal(fields.slice(0, 8), [
      ':method: GET',
      ':scheme: http',
      ':authority: torc.test',
      ':path: /a?b=%20c',
      'x-one: 1',
      'x-one: 2',
      'cookie: a=b; c=d',
      'te: trailers',
    ]);
    assert.not(fields.some(field => /^(?:host|connection|x-hop|transfer-encoding|upgrade):/.test(field)));
  }),
);

for (const [name, body] of [
  ['a small one', 'x'.repeat(100)],
  ['one that is larger than a window', 'x'.repeat(300_000)],
] as const)
  http2(`a body of known length: ${name}`, () =>
    withTwo(whole('well'), async (torc, first) => {
      const client = await rawClient(torc.port);
      for (let round = 0; round < 3; round++) {
        client.send(post('/', body));
        assert.is((await client.answer()).body, 'well');
      }
      client.close();
      for (const seen of first.streams) assert.is(seen.body, body);
      assert.is(first.connections, 1);
      assert.is(first.streams[0]!.headers['content-length'], String(body.length));
    }),
  );

http2('a body of unknown length, with trailers', () =>
  withTwo(whole('well'), async (torc, first) => {
    const answer = await ask(
      torc.port,
      chunked('/', '5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\nX-Sum: 7\r\nHost: a\r\n\r\n'),
    );
    assert.is(answer.body, 'well');
    const [seen] = first.streams;
    assert.is(seen!.body, 'hello!');
    assert.equal(seen!.trailers, { 'x-sum': '6, 7' });
    assert.is(seen!.headers['content-length'], undefined);
    assert.is((await ask(torc.port, chunked('/', '1\r\n!\r\n0\r\n\r\n'))).body, 'well');
    assert.is(first.streams[1]!.body, '!');
  }),
);

const answers: readonly [string, string, StreamAnswer, (client: RawClient) => Promise<void>][] = [
  [
    'its length is not known: chunked for a client of HTTP/1.1',
    get('/'),
    ({ stream }) => {
      stream.respond({ ':status': 201, 'x-a': ['1', '2'] });
      stream.write('one');
      stream.end('two');
    },
    async client => {
      const answer = await client.answer();
      assert.equal([answer.statusLine, answer.body], ['HTTP/1.1 201 Created', 'onetwo']);
      assert.equal(
        answer.fields.filter(field => field.startsWith('x-a')),
        ['x-a: 1', 'x-a: 2'],
      );
      assert.is(fieldOf(answer, 'transfer-encoding'), 'chunked');
    },
  ],
  [
    'trailers',
    get('/', ['TE: trailers']),
    ({ stream }) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-served-by': 'me' }));
      stream.end('body');
    },
    async client => {
      const answer = await client.answer();
      assert.equal([answer.body, answer.trailers], ['body', 'grpc-status: 0']);
    },
  ],
  [
    'nothing but a head',
    get('/'),
    ({ stream }) => stream.respond({ ':status': 200 }, { endStream: true }),
    async client => {
      const answer = await client.answer();
      assert.equal([answer.status, answer.body, fieldOf(answer, 'content-length')], [200, '', '0']);
    },
  ],
  [
    'an empty body behind its head',
    get('/'),
    ({ stream }) => {
      stream.respond({ ':status': 200 });
      stream.end();
    },
    async client => assert.is((await client.answer()).body, ''),
  ],
  [
    'HEAD',
    'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    ({ stream }) => stream.respond({ ':status': 200, 'content-length': 9 }, { endStream: true }),
    async client => {
      const answer = await client.answer({ head: true });
      assert.equal([answer.status, fieldOf(answer, 'content-length')], [200, '9']);
    },
  ],
  [
    '204',
    get('/'),
    ({ stream }) => stream.respond({ ':status': 204 }, { endStream: true }),
    async client => assert.is((await client.answer()).status, 204),
  ],
  [
    '304 with the length of what it is not',
    get('/'),
    ({ stream }) => stream.respond({ ':status': 304, 'content-length': 9 }, { endStream: true }),
    async client => assert.is((await client.answer()).status, 304),
  ],
  [
    'interim answers',
    get('/'),
    ({ stream }) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>; rel=preload' });
      stream.additionalHeaders({ ':status': 103, link: '</b>; rel=preload' });
      stream.respond({ ':status': 200 });
      stream.end('late');
    },
    async client => {
      assert.is((await client.answer()).body, 'late');
      assert.match(
        client.received,
        /^HTTP\/1\.1 103 [\s\S]*<\/a>[\s\S]*HTTP\/1\.1 103 [\s\S]*<\/b>[\s\S]*HTTP\/1\.1 200 OK/,
      );
    },
  ],
  [
    '100, which the client waits for',
    `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
    seen => {
      assert.is(seen.headers.expect, '100-continue');
      seen.stream.additionalHeaders({ ':status': 100 });
      seen.stream.on('end', () => {
        seen.stream.respond({ ':status': 200 });
        seen.stream.end(seen.body);
      });
    },
    async client => {
      await client.has('HTTP/1.1 100 Continue\r\n\r\n');
      client.send('body');
      assert.is((await client.answer()).body, 'body');
    },
  ],
];
for (const [name, request, answer, check] of answers)
  http2(`an answer: ${name}`, () =>
    withTwo(answer, async torc => {
      const client = await rawClient(torc.port);
      client.send(request);
      await check(client);
      // The connection serves on.
      client.send(request);
      await check(client);
      client.close();
    }),
  );

http2('a large answer streams, byte for byte', () => {
  const large = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
  const send: StreamAnswer = ({ stream }) => {
    stream.respond({ ':status': 200, 'content-length': large.length });
    stream.end(large);
  };
  return withTwo(send, async torc => {
    const answer = await ask(torc.port, get('/'));
    assert.ok(answer.body === large.toString('latin1'));
  });
});

// ---- an answer that is none

const head = frame(HEADERS, END_HEADERS, 1, OK);
/** `content-length: 9`: a name of the static table, a value of one byte. */
const nine = frame(
  HEADERS,
  END_HEADERS,
  1,
  Buffer.concat([OK, Buffer.from([0x0f, 0x0d, 1]), Buffer.from('9')]),
);
const broken: readonly [string, readonly Buffer[]][] = [
  ['it is shorter than its length', [nine, frame(DATA, END_STREAM, 1, 'half')]],
  ['it is longer than its length', [nine, frame(DATA, END_STREAM, 1, 'more than nine')]],
  [
    'it is reset without an error, its length known',
    [nine, frame(DATA, 0, 1, 'half'), frame(RST_STREAM, 0, 1, uint32(0))],
  ],
  [
    'it is reset without an error, its end unknown',
    [head, frame(DATA, 0, 1, 'half'), frame(RST_STREAM, 0, 1, uint32(0))],
  ],
  ['it is reset without an error, before its body', [head, frame(RST_STREAM, 0, 1, uint32(0))]],
  ['it is reset', [head, frame(DATA, 0, 1, 'half'), frame(RST_STREAM, 0, 1, uint32(INTERNAL_ERROR))]],
  ['it breaks the rules of frames', [head, frame(DATA, 0, 1, 'half'), frame(SETTINGS_FRAME, 0, 1)]],
  ['its connection ends', [head, frame(DATA, 0, 1, 'half'), Buffer.alloc(0)]],
];
for (const [name, frames] of broken)
  http2(`no whole answer: ${name}`, async () => {
    const origin = await frameOrigin((type, _stream, socket) => {
      if (type !== HEADERS) return;
      for (const bytes of frames)
        if (bytes.length > 0) socket.write(bytes);
        else socket.end();
    });
    const torc = await startProxy([origin.port], SETTINGS);
    const client = await rawClient(torc.port);
    client.send(post('/'));
    await waitFor(() => client.closed || /^HTTP\/1\.1 502[\s\S]*\r\n\r\n.*\n$/.test(client.received), {
      timeoutMs: 20_000,
      what: 'an end',
    });
    assert.not.match(client.received, /\r\n0\r\n\r\n$/);
    if (client.received.startsWith('HTTP/1.1 200')) {
      const length = /content-length: (\d+)/i.exec(client.received)?.[1];
      const body = client.received.slice(client.received.indexOf('\r\n\r\n') + 4);
      if (length !== undefined) assert.ok(body.length < Number(length), 'it looks whole');
    }
    client.close();
    await torc.close();
    await origin.close();
  });

http2('a head that comes alone stays before its body, however soon that comes', () => {
  const body = 'b'.repeat(20_000);
  return withTwo(
    seen => {
      // Turns of the loop from the head to the body.
      let turns = Number(/turns=(\d)/.exec(seen.headers[':path']!)![1]);
      const next = (): void => void (turns-- === 0 ? seen.stream.end(body) : setImmediate(next));
      seen.stream.respond({ ':status': 200, 'content-length': body.length });
      next();
    },
    async torc => {
      const client = await rawClient(torc.port);
      for (let count = 0; count < 60; count++) {
        const before = client.received.length;
        client.send(get(`/?request_id=1&turns=${count % 6}`));
        await waitFor(() => client.received.endsWith(body) && client.received.length > before, {
          timeoutMs: 5_000,
          what: `the body ${count % 6} turns behind its head`,
        });
        assert.match(client.received.slice(before), /^HTTP\/1\.1 200 .*\r\n\r\nb+$/s);
      }
      client.close();
    },
    { KEY: 'query:request_id' },
  );
});

http2('a head that is too large, and interim answers without an end, are answered 502', async () => {
  await withTwo(
    ({ stream }) => stream.respond({ ':status': 200, 'x-large': 'x'.repeat(70_000) }, { endStream: true }),
    async torc => assert.is((await ask(torc.port, get('/'))).status, 502),
  );
  await withTwo(
    ({ stream }) => {
      const more = (): void => {
        if (stream.destroyed) return;
        stream.additionalHeaders({ ':status': 103, link: 'x'.repeat(10_000) });
        setImmediate(more);
      };
      more();
    },
    async torc => {
      assert.is((await ask(torc.port, get('/'))).status, 502);
      assert.is(errorCount(torc.counters.collect(), 'BAD_RESPONSE'), 1);
    },
  );
});

http2('an early answer ends the upload, and is whole', () =>
  withTwo(
    ({ stream }) => {
      stream.respond({ ':status': 413, 'content-length': 5 });
      stream.end('large');
      stream.on('finish', () => stream.close(0));
    },
    async (torc, first) => {
      const client = await rawClient(torc.port);
      client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin');
      const answer = await client.answer();
      assert.equal([answer.status, answer.body], [413, 'large']);
      client.close();
      assert.is((await ask(torc.port, get('/'))).status, 413);
      assert.is(first.connections, 1, 'the connection goes on');
    },
  ),
);

// ---- what was not processed, and what may have been

http2('a POST goes to the next replica: its stream is refused', () =>
  withTwo(
    ({ stream }) => stream.close(REFUSED_STREAM),
    async (torc, _first, other) => {
      const client = await rawClient(torc.port);
      client.send(post('/', 'x'.repeat(20_000)));
      assert.is((await client.answer()).body, 'other');
      assert.is(other.streams[0]!.body.length, 20_000);
      assert.is(torc.counters.collect().retries, 1);
      client.close();
    },
  ),
);

for (const [name, code] of [
  ['without an error', 0],
  ['with one', 11],
] as const)
  http2(
    `a POST that a GOAWAY ${name} left out goes to the same replica on a new connection, and is no failure`,
    async () => {
      let connections = 0;
      const origin = await frameOrigin((type, stream, socket) => {
        if (type === SETTINGS_FRAME && stream === 0) connections++;
        if (type !== HEADERS) return;
        if (stream === 1) socket.write(Buffer.concat([frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)]));
        else socket.end(frame(GOAWAY, 0, 0, Buffer.concat([uint32(1), uint32(code)])));
      });
      const other = await h2Origin(whole('other'));
      const torc = await startProxy([origin.port, other.port], SETTINGS);
      for (let round = 0; round < 3; round++) {
        const answer = await ask(torc.port, post('/'));
        assert.equal([answer.status, answer.body], [200, '']);
      }
      assert.equal(torc.hints, []);
      assert.is(torc.counters.collect().retries, 0);
      assert.ok(connections >= 3);
      await torc.close();
      await Promise.all([origin.close(), other.close()]);
    },
  );

for (const [name, answer, code] of [
  ['it resets the stream', ({ stream }) => stream.close(INTERNAL_ERROR), 'RESET'],
  ['its connection ends', ({ stream }) => stream.session!.socket.destroy(), 'RESET'],
  ['its GOAWAY is about something else', ({ stream }) => stream.session!.goaway(11, 1), 'RESET'],
] as [string, StreamAnswer, string][]) {
  http2(`a POST that may have been processed is answered 502: ${name}`, () =>
    withTwo(answer, async (torc, _first, other) => {
      const client = await rawClient(torc.port);
      client.send(post('/'));
      assert.is((await client.answer()).status, 502);
      assert.is(other.streams.length, 0);
      assert.is(errorCount(torc.counters.collect(), code), 1);
      client.close();
    }),
  );
  http2(`a GET goes to the next replica: ${name}`, () =>
    withTwo(answer, async torc => assert.is((await ask(torc.port, get('/'))).body, 'other')),
  );
}

http2('a graceful GOAWAY: what is under way ends well, what comes next goes on a new connection', () =>
  withTwo(silent, async (torc, first) => {
    const [before, after] = [await rawClient(torc.port), await rawClient(torc.port)];
    before.send(post('/before'));
    await streamsAt(first, 1);
    const { stream } = first.streams[0]!;
    stream.session!.goaway(0, 2 ** 31 - 1);
    // Its arrival is seen by what comes next.
    first.answer = whole('after');
    await waitFor(
      async () => {
        after.send(post('/after'));
        assert.is((await after.answer()).body, 'after');
        return first.connections === 2;
      },
      { timeoutMs: 10_000, what: 'a second connection' },
    );
    stream.respond({ ':status': 200 });
    stream.end('before');
    assert.is((await before.answer()).body, 'before');
    before.close();
    after.close();
    assert.equal(torc.hints, []);
  }),
);

http2('a replica that is gone: what may be sent again is answered by the next one, at once', () =>
  withTwo(silent, async (torc, first, other) => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(torc.port)));
    for (const [index, client] of clients.entries())
      client.send(index < 15 ? get(`/${index}`) : post(`/${index}`));
    await streamsAt(first, 20);
    assert.is(first.connections, 1, 'all share one connection');
    torc.snapshots.apply(snapshotOf(2, [other.port, other.port], { generation: 1, lost: ['replica-1-0'] }));
    const got = await Promise.all(clients.slice(0, 15).map(client => client.answer()));
    assert.ok(got.every(({ body }) => body === 'other'));
    assert.equal(
      clients.slice(15).map(({ received }) => received),
      ['', '', '', '', ''],
    );
    torc.snapshots.apply(
      snapshotOf(3, [other.port, other.port], {
        generation: 1,
        lost: ['replica-1-0'],
        gone: ['replica-1-0'],
      }),
    );
    const lost = await Promise.all(clients.slice(15).map(client => client.answer()));
    assert.ok(lost.every(({ status }) => status === 502));
    for (const client of clients) client.close();
  }),
);

http2('a replica that has left routing serves what it has begun, and is then left alone', () =>
  withTwo(silent, async (torc, first, other) => {
    const client = await rawClient(torc.port);
    client.send(post('/'));
    await streamsAt(first, 1);
    torc.snapshots.apply(snapshotOf(2, [other.port, other.port], { generation: 1 }));
    assert.is((await ask(torc.port, get('/'))).body, 'other');
    let isDrained = false;
    torc.snapshots.drained('replica-1-0', () => {
      isDrained = true;
    });
    assert.is(isDrained, false);
    const { stream } = first.streams[0]!;
    stream.respond({ ':status': 200 });
    stream.end('done');
    assert.is((await client.answer()).body, 'done');
    await waitFor(() => isDrained && first.sessions.size === 0, { timeoutMs: 10_000, what: 'the drain' });
    client.close();
  }),
);

// ---- who does not speak it, or does not speak

async function before(
  listener: (socket: Socket) => void,
  settings: Record<string, string>,
  body: (torc: TestProxy, other: H2Origin) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    listener(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const other = await h2Origin(whole('other'));
  const torc = await startProxy([(server.address() as { port: number }).port, other.port], {
    ...SETTINGS,
    ...settings,
  });
  try {
    await body(torc, other);
  } finally {
    await torc.close();
    await other.close();
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  }
}

http2(
  'a replica that speaks HTTP/1.1 gets nothing, and the next one is asked; the log says why',
  async () => {
    const origin = await rawOrigin(plain('no HTTP/2'));
    const other = await h2Origin(whole('other'));
    const torc = await startProxy([origin.port, other.port], { ...SETTINGS, RETRIES: '0' });
    const answer = await ask(torc.port, post('/'));
    assert.is(answer.status, 502);
    const [line] = torc.lines.filter(({ level }) => level === 'warn' || level === 'error');
    assert.match(JSON.stringify(line), /no HTTP\/2 is spoken there/);
    await torc.close();
    const patient = await startProxy([origin.port, other.port], SETTINGS);
    assert.is((await ask(patient.port, post('/'))).body, 'other');
    await patient.close();
    await Promise.all([origin.close(), other.close()]);
  },
);

http2('a replica that accepts and says nothing: connect time-out, and a POST goes to the next one', () =>
  before(
    () => {},
    { CONNECT_TIMEOUT_MS: '200' },
    async (torc, other) => {
      assert.is((await ask(torc.port, post('/'))).body, 'other');
      assert.is(other.streams.length, 1);
      assert.is(torc.hints[0]?.cause, 'timeout');
    },
  ),
);

http2('nobody listens: refused, and a POST goes to the next one', async () => {
  const other = await h2Origin(whole('other'));
  const torc = await startProxy([1, other.port], SETTINGS);
  assert.is((await ask(torc.port, post('/'))).body, 'other');
  assert.is(torc.hints[0]?.cause, 'refused');
  await torc.close();
  await other.close();
});

http2('a connection whose other end fell silent is left when a request was given up on it', async () => {
  // Forwards until it is told to swallow all, as a network does that went away.
  const origin = await h2Origin(({ stream, headers }) => {
    if (headers[':path'] === '/slow') return;
    stream.respond({ ':status': 200, 'content-length': 4 });
    stream.end('well');
  });
  const { connect } = await import('node:net');
  let isCut = false;
  await before(
    socket => {
      const onward = connect(origin.port, '127.0.0.1');
      const mine = !isCut;
      onward.on('error', () => {});
      socket.on('data', chunk => (mine && isCut ? undefined : onward.write(chunk)));
      onward.on('data', chunk => (mine && isCut ? undefined : socket.write(chunk)));
      socket.on('close', () => onward.destroy());
    },
    { CONNECT_TIMEOUT_MS: '300' },
    async torc => {
      assert.is((await ask(torc.port, get('/'))).body, 'well');
      isCut = true;
      const [slow, waiting] = [await rawClient(torc.port), await rawClient(torc.port)];
      slow.send(get('/slow'));
      waiting.send(get('/'));
      await waitFor(() => torc.snapshots.current.upstreams[0]!.inFlight === 2, {
        timeoutMs: 10_000,
        what: 'both on their way',
      });
      slow.close();
      // It is sent again, on a new connection.
      assert.is((await waiting.answer()).body, 'well');
      waiting.close();
    },
  );
  await origin.close();
});

// ---- bounds and pace

http2("streams per connection are the replica's to say: more requests, more connections", () =>
  withTwo(
    silent,
    async (torc, first) => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => rawClient(torc.port)));
      for (const client of clients) client.send(get('/'));
      await streamsAt(first, 6);
      assert.is(first.connections, 3);
      for (const { stream } of first.streams) {
        stream.respond({ ':status': 200 });
        stream.end('well');
      }
      for (const client of clients) {
        assert.is((await client.answer()).body, 'well');
        client.close();
      }
    },
    {},
    { settings: { maxConcurrentStreams: 2 } },
  ),
);

http2('requests at work are bounded, the others wait, and what is too much is refused', () =>
  withTwo(
    silent,
    async (torc, first) => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => rawClient(torc.port)));
      const [one, two, three, four, given, five] = clients as [
        RawClient,
        RawClient,
        RawClient,
        RawClient,
        RawClient,
        RawClient,
      ];
      const upstream = torc.snapshots.current.upstreams[0]!;
      const inFlight = (count: number): Promise<void> =>
        waitFor(() => upstream.inFlight === count, { timeoutMs: 10_000, what: `${count} in flight` });
      one.send(post('/1'));
      two.send(post('/2'));
      await streamsAt(first, 2);
      given.send(post('/given-up'));
      await inFlight(3);
      three.send(post('/3'));
      await inFlight(4);
      five.send(post('/5'));
      assert.is((await five.answer()).status, 503);
      given.close();
      await inFlight(3);
      four.send(post('/4'));
      await inFlight(4);
      assert.is(first.streams.length, 2);
      first.answer = whole('well');
      for (const { stream } of first.streams.slice()) {
        stream.respond({ ':status': 200 });
        stream.end('well');
      }
      for (const client of [one, two, three, four]) assert.is((await client.answer()).body, 'well');
      assert.equal(
        first.streams.map(({ headers }) => headers[':path']),
        ['/1', '/2', '/3', '/4'],
      );
      for (const client of clients) client.close();
    },
    { MAX_CONNECTIONS_PER_REPLICA: '2', MAX_QUEUE: '2' },
  ),
);

http2('a client that does not read holds its own stream, and no other', () => {
  let sent = 0;
  const flood: StreamAnswer = ({ stream, headers }) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] !== '/flood') {
      stream.end('quick');
      return;
    }
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const more = (): void => {
      do sent += chunk.length;
      while (!stream.destroyed && stream.write(chunk));
      if (!stream.destroyed) stream.once('drain', more);
    };
    more();
  };
  return withTwo(flood, async (torc, first) => {
    const client = await rawClient(torc.port);
    client.socket.pause();
    client.send(get('/flood'));
    await waitFor(
      isStill(() => sent),
      { timeoutMs: 20_000, what: 'the flood to stop' },
    );
    assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes`);
    for (let round = 0; round < 5; round++) assert.is((await ask(torc.port, get('/'))).body, 'quick');
    assert.is(first.connections, 1);
    const at = sent;
    client.socket.resume();
    await waitFor(() => sent > at + 1_000_000, { timeoutMs: 20_000, what: 'the flood to go on' });
    client.close();
    await closedWith(first.streams[0]!, CANCEL);
  });
});

http2('an upload waits for the replica to read it', () =>
  withTwo(
    ({ stream }) => void stream.pause(),
    async (torc, first) => {
      const client = await rawClient(torc.port);
      const chunk = 'x'.repeat(64 * 1024);
      client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n');
      let written = 0;
      const more = (): void => {
        while (written < 1024 && client.socket.writable) {
          written++;
          if (!client.socket.write(chunk)) break;
        }
        if (written < 1024) client.socket.once('drain', more);
      };
      more();
      await streamsAt(first, 1);
      await waitFor(
        isStill(() => written),
        { timeoutMs: 20_000, what: 'the upload to stop' },
      );
      assert.ok(written < 512, `${written} of 1024 chunks left`);
      const { stream } = first.streams[0]!;
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end('all');
      });
      stream.resume();
      assert.is((await client.answer()).body, 'all');
      client.close();
    },
  ),
);

http2('an upload that goes on behind the head of its answer is no stall', () =>
  withTwo(
    ({ stream }) => {
      stream.respond({ ':status': 200 });
      stream.on('end', () => stream.end('all'));
    },
    async torc => {
      const client = await rawClient(torc.port);
      client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      await client.has('HTTP/1.1 200 OK');
      for (let index = 0; index < 9; index++) {
        await new Promise(resolve => setTimeout(resolve, 250));
        client.send('1\r\nx\r\n');
      }
      client.send('0\r\n\r\n');
      assert.is((await client.answer()).body, 'all');
      client.close();
    },
    { IDLE_TIMEOUT_MS: '1500' },
  ),
);

http2('a client that leaves cancels its stream, and no other', () =>
  withTwo(silent, async (torc, first) => {
    const [leaving, staying] = [await rawClient(torc.port), await rawClient(torc.port)];
    leaving.send(post('/leaving'));
    await streamsAt(first, 1);
    staying.send(post('/staying'));
    await streamsAt(first, 2);
    leaving.close();
    await closedWith(first.streams[0]!, CANCEL);
    const { stream } = first.streams[1]!;
    stream.respond({ ':status': 200 });
    stream.end('stayed');
    assert.is((await staying.answer()).body, 'stayed');
    staying.close();
  }),
);

http2('an upgrade is answered 501: HTTP/2 has none', () =>
  withTwo(whole('well'), async (torc, first) => {
    const upgrade = get('/', ['Connection: Upgrade', 'Upgrade: websocket']);
    const answer = await ask(torc.port, upgrade);
    assert.is(answer.status, 501);
    assert.match(answer.body, /an upgrade \(WebSocket\) needs replicas of HTTP\/1.1/);
    assert.is(first.streams.length, 0);
    assert.equal(torc.hints, []);
  }),
);

http2('every byte of a replica is a sign of its life', () =>
  withTwo(whole('well'), async torc => {
    const signs = () => torc.snapshots.signs('replica-1-0');
    assert.equal(signs(), { reads: 0, answers: 0 });
    await ask(torc.port, get('/'));
    const first = signs();
    assert.ok(first.reads > 0 && first.answers === 1);
    await ask(torc.port, get('/'));
    assert.ok(signs().reads > first.reads);
  }),
);

http2.run();
