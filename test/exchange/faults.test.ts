// What a proxy is for: replicas that refuse, reset, stay silent, lie or die half-way, and clients that leave. The rules
// are CONTRACT.md's "Safe to send again"; each test says which attempts the replicas saw.

import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, bytes, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, snapshotOf, startProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, type RawClient, rawClient } from '../support/raw.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const faults = suite('faults');

const post = (target: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** One proxy before the given replicas (a number is a port of nobody), for the length of one test. */
async function withProxy(
  answers: readonly (Answer | null)[],
  settings: Record<string, string>,
  run: (
    torc: Awaited<ReturnType<typeof startProxy>>,
    origins: Awaited<ReturnType<typeof rawOrigin>>[],
  ) => Promise<void>,
): Promise<void> {
  const origins = [];
  const ports = [];
  for (const answer of answers) {
    if (answer === null) {
      ports.push(await freePort());
      continue;
    }
    const origin = await rawOrigin(answer);
    origins.push(origin);
    ports.push(origin.port);
  }
  const torc = await startProxy(ports, settings);
  try {
    await run(torc, origins);
  } finally {
    await torc.close();
    for (const origin of origins) await origin.close();
  }
}

const reset: Answer = (_request, socket) => void socket.resetAndDestroy();
const closed: Answer = (_request, socket) => void socket.end();
const silent: Answer = () => {};

faults('a refused connection: any method goes to the next choice, nothing was sent', async () => {
  await withProxy([null, plain('second')], {}, async (torc, [second]) => {
    assert.is((await ask(torc.port, get('/a'))).body, 'second');
    const answer = await ask(torc.port, post('/b', 'body'));
    assert.is(answer.body, 'second');
    assert.is(fieldOf(answer, 'x-served-by'), '2');
    assert.is(second!.requests[1]!.body, 'body');
    assert.equal(
      torc.hints.map(({ slot, cause }) => [slot, cause]),
      [['1', 'refused']],
      'one hint a second',
    );
    const delta = torc.counters.collect();
    assert.is(delta.retries, 2);
    assert.is(delta.slots.find(({ slot }) => slot === '1')!.errors, 2);
  });
});

faults('nobody there: 502 with the JSON body, a retry-after and one line that says why', async () => {
  await withProxy([null], {}, async torc => {
    const answer = await ask(torc.port, get('/a'));
    assert.is(answer.status, 502);
    const { id, ...told } = JSON.parse(answer.body) as Record<string, unknown>;
    assert.is(torc.lines.find(({ fields }) => fields.code === 'REFUSED')!.fields.id, id);
    assert.equal(told, {
      slot: '1',
      message: '<Error> the replica refused the connection',
      status: 'failure',
    });
    assert.is(fieldOf(answer, 'retry-after'), '1');
    for (let index = 0; index < 5; index++) await ask(torc.port, get('/a'));
    const warnings = torc.lines.filter(({ level }) => level === 'warn');
    assert.is(warnings.length, 1);
    assert.is(warnings[0]!.fields.slot, '1');
    assert.is(warnings[0]!.fields.detail, 'ECONNREFUSED');
  });
});

faults('no usable replica: 503', async () => {
  await withProxy([plain('x')], {}, async (torc, [origin]) => {
    torc.snapshots.apply(snapshotOf(2, [origin!.port], { states: ['suspect'] }));
    const answer = await ask(torc.port, get('/a'));
    assert.is(answer.status, 503);
    assert.is(fieldOf(answer, 'retry-after'), '1');
  });
});

faults('503 does not close the connection, also behind a body', async () => {
  await withProxy([plain('x')], {}, async (torc, [origin]) => {
    torc.snapshots.apply(snapshotOf(2, [origin!.port], { states: ['suspect'] }));
    const client = await rawClient(torc.port);
    for (const request of [get('/a'), post('/b', 'body'), get('/c')]) {
      client.send(request);
      const answer = await client.answer();
      assert.is(answer.status, 503);
      assert.is(fieldOf(answer, 'connection'), undefined);
    }
    torc.snapshots.apply(snapshotOf(3, [origin!.port]));
    client.send(get('/d'));
    assert.is((await client.answer()).body, 'x');
    client.close();
  });
});

faults('a client that closes its half and then is gone: the attempt is cancelled', async () => {
  await withProxy([silent], {}, async (torc, [origin]) => {
    const client = await rawClient(torc.port);
    client.send(get('/a'));
    await waitFor(() => origin!.requests.length === 1, { timeoutMs: 2000, what: 'the request' });
    client.socket.end();
    client.close();
    await waitFor(() => origin!.sockets.size === 0, { timeoutMs: 4000, what: 'the cancel' });
    assert.is(errorCount(torc.counters.collect(), 'CLIENT_GONE'), 1);
  });
});

for (const version of ['1.0', '1.1']) {
  faults(`a client of HTTP/${version} that closes its half and waits is answered, however late`, async () => {
    const late: Answer = (request, socket) => void setTimeout(() => plain('late')(request, socket), 2300);
    await withProxy([late], {}, async (torc, [origin]) => {
      const client = await rawClient(torc.port, { allowHalfOpen: true });
      client.send(`GET /a HTTP/${version}\r\nHost: a\r\n\r\n`);
      client.socket.end();
      assert.is((await client.answer()).body, 'late');
      await client.gone();
      assert.is(
        client.received.includes(' 100 Continue'),
        version === '1.1',
        'told apart by interim answers',
      );
      assert.is(origin!.requests.length, 1);
    });
  });
}

faults(
  'a client that closes its half and then is gone within its answer: the attempt is cancelled',
  async () => {
    const begun = bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await withProxy([begun], {}, async (torc, [origin]) => {
      const client = await rawClient(torc.port);
      client.send(get('/a'));
      await client.has('abc');
      client.close();
      await waitFor(() => origin!.sockets.size === 0, { timeoutMs: 4000, what: 'the cancel' });
    });
  },
);

faults('reset before an answer: GET is sent again, POST never', async () => {
  await withProxy([reset, plain('second')], {}, async (torc, [first, second]) => {
    assert.is((await ask(torc.port, get('/a'))).body, 'second');
    assert.is((await ask(torc.port, post('/b', 'once'))).status, 502);
    assert.equal(
      first!.requests.map(({ method }) => method),
      ['GET', 'POST'],
    );
    assert.equal(
      second!.requests.map(({ method }) => method),
      ['GET'],
    );
    assert.is(torc.hints[0]!.cause, 'reset');
  });
});

faults('POST is sent again where its client gave it a key, or a setting says so; no other is', async () => {
  const keyed = 'POST /a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: "8e03"\r\nContent-Length: 4\r\n\r\nonce';
  for (const break_ of [reset, closed])
    await withProxy([break_, plain('second')], {}, async (torc, [first, second]) => {
      assert.is((await ask(torc.port, keyed)).body, 'second');
      assert.is(second!.requests[0]!.body, 'once');
      assert.is(first!.requests[0]!.body, 'once');
      assert.is((await ask(torc.port, post('/b', 'once'))).status, 502);
      assert.is(second!.requests.length, 1);
    });
  await withProxy([reset, plain('second')], { RETRY_METHODS: 'POST' }, async (torc, [, second]) => {
    assert.is((await ask(torc.port, post('/b', 'once'))).body, 'second');
    assert.is((await ask(torc.port, get('/a'))).status, 502, 'GET is not named');
    assert.is(second!.requests.length, 1);
  });
});

faults('what breaks off behind its head is never sent again, whatever was said of it', async () => {
  const half: Answer = (_request, socket) => {
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:',
    );
    setTimeout(() => socket.resetAndDestroy(), 50);
  };
  await withProxy([half, plain('second')], { RETRY_METHODS: 'GET,POST' }, async (torc, [, second]) => {
    for (const request of [
      get('/a'),
      post('/b', 'once').replace('\r\n\r\n', '\r\nIdempotency-Key: k\r\n\r\n'),
    ]) {
      const client = await rawClient(torc.port);
      client.send(request);
      await client.gone();
      assert.match(client.received, /^HTTP\/1\.1 200 OK/);
      assert.not.match(client.received, 'second');
      assert.not(client.received.endsWith('0\r\n\r\n'), 'it does not pass for a whole one');
    }
    assert.is(second!.requests.length, 0);
  });
});

faults('PUT with a small body is sent again, whole', async () => {
  await withProxy([reset, plain('second')], {}, async (torc, [, second]) => {
    const answer = await ask(
      torc.port,
      'PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    assert.is(answer.body, 'second');
    assert.is(second!.requests[0]!.body, 'abc');
  });
});

faults('PUT with a body over the bound is not sent again', async () => {
  await withProxy([reset, plain('second')], {}, async (torc, [, second]) => {
    const body = 'x'.repeat(100_000);
    const answer = await ask(
      torc.port,
      `PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    assert.is(answer.status, 502);
    assert.is(second!.requests.length, 0);
  });
});

faults('a request that ends whoever has it takes two replicas, not all, and the log says so', async () => {
  // The kernel closes what a crashed program had read like what it closes itself, and resets what it had not.
  const crashing =
    (end: Answer): Answer =>
    (request, socket) =>
      request.target === '/boom' ? end(request, socket) : plain('well')(request, socket);
  for (const [crash, isWarm] of [
    [crashing(reset), false],
    [crashing(reset), true],
    [crashing(closed), false],
    [crashing(closed), true],
  ] as const) {
    await withProxy([crash, crash, crash], { RETRIES: '5' }, async (torc, origins) => {
      if (isWarm) assert.is((await ask(torc.port, get('/well'))).status, 200);
      const answer = await ask(torc.port, get('/boom'));
      assert.is(answer.status, 502);
      const seen = origins.map(({ requests }) => requests.some(({ target }) => target === '/boom'));
      assert.equal(seen, [true, true, false]);
      const line = torc.lines.find(({ fields }) => fields.code === 'RESET');
      assert.match(String(line?.fields.detail), /2 replicas died of it/);
      assert.is(line?.fields.path, '/boom');
    });
  }
});

const TWO = ['replica-1-0', 'replica-2-0'];
const WORDS: [string, boolean, { lost?: string[]; failing?: string[] }][] = [
  ['are stopped did not die of it', true, {}],
  ['are dead did', false, { lost: TWO }],
  ['drain because nobody listens there any more did', false, { failing: TWO }],
];
for (const [what, isTold, words] of WORDS) {
  faults(
    `two that end with a request in their hands: those that ${what}, by what is heard behind`,
    async () => {
      await withProxy([closed, closed, plain('third')], {}, async (torc, origins) => {
        const ports = origins.map(({ port }) => port);
        const next = snapshotOf(2, ports, words);
        // The word comes after the second one's end: in the turn after the worker has complained of it.
        torc.hints.push = ({ slot }) => {
          if (slot === '2')
            setImmediate(() => torc.snapshots.apply({ ...next, upstreams: next.upstreams.slice(2) }));
          return 0;
        };
        const { status, body } = await ask(torc.port, get('/a'));
        assert.is(status, isTold ? 200 : 502);
        if (isTold) assert.is(body, 'third');
        assert.equal(
          origins.map(({ requests }) => requests.length),
          [1, 1, isTold ? 1 : 0],
        );
      });
    },
  );
}

faults('TORC_RETRIES bounds the attempts', async () => {
  await withProxy([reset, reset, plain('third')], { RETRIES: '1' }, async (torc, [first, second, third]) => {
    assert.is((await ask(torc.port, get('/a'))).status, 502);
    assert.equal(
      [first, second, third].map(origin => origin!.requests.length),
      [1, 1, 0],
    );
  });
});

faults('a pooled connection that the replica just closed: no request is lost, no hint is given', async () => {
  // Answers the first request of each connection and closes at the second, as a server does whose idle time is over.
  const closing: Answer = (request, socket) => {
    if (request.index === 0) plain('fresh')(request, socket);
    else socket.end();
  };
  await withProxy([closing, plain('second')], {}, async (torc, [first]) => {
    for (let index = 0; index < 5; index++) {
      const answer = await ask(torc.port, get('/a'));
      assert.is(answer.body, 'fresh');
      assert.is(fieldOf(answer, 'x-served-by'), '1');
    }
    assert.is(first!.connections, 5);
    assert.equal(torc.hints, []);
    assert.is(torc.counters.collect().retries, 0);
  });
});

faults('a connection that the replica closed while idle is not used', async () => {
  await withProxy([plain('x')], {}, async (torc, [origin]) => {
    assert.is((await ask(torc.port, post('/a', 'x'))).status, 200);
    for (const socket of origin!.sockets) socket.end();
    await waitFor(() => origin!.sockets.size === 0, {
      timeoutMs: 2000,
      what: 'the idle connection to close',
    });
    assert.is((await ask(torc.port, post('/b', 'x'))).status, 200);
    assert.equal(torc.hints, []);
  });
});

for (const [name, answer] of [
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
  ['equal lengths twice', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc'],
  ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc'],
  ['a hex length', 'HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc'],
  [
    'length and chunked',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'chunked and length',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n',
  ],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['chunked from HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['garbage before', 'garbage\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['garbage behind', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokgarbage'],
  [
    'a second answer',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno',
  ],
  ['an answer behind 304', 'HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'],
  ['a second status line', 'HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
  ['one bare line feed', 'HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\r\nok'],
  ['a folded field', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok'],
  ['space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok'],
  ['a field without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok'],
  ['a control byte', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok'],
  ['a lone CR', 'HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nok'],
  ['an unasked switch', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['a broken chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n'],
] as const) {
  faults(`an invalid answer never looks complete: ${name}`, async () => {
    await withProxy([bytes(answer), plain('second')], {}, async (torc, [first]) => {
      const client = await rawClient(torc.port);
      client.send(get('/a'));
      await waitFor(() => client.closed || client.received.includes('\r\n\r\n'), {
        timeoutMs: 3000,
        what: 'an end',
      });
      if (client.received !== '' && !client.received.startsWith('HTTP/1.1 502')) await client.gone();
      assert.not.match(client.received, /0\r\n\r\n$/);
      assert.ok(client.received.startsWith('HTTP/1.1 502') || client.closed, client.received);
      first!.answer = plain('clean');
      assert.is((await ask(torc.port, get('/b'))).body, 'clean');
      assert.is(first!.connections, 2, 'the poisoned connection is not used again');
      client.close();
    });
  });
}

for (const [name, answer] of [
  ['by length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
  ['in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc'],
  ['between chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
  ['in the trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n'],
] as const) {
  faults(`a truncated body never looks complete: ${name}`, async () => {
    await withProxy([bytes(answer, { end: true })], {}, async torc => {
      const client = await rawClient(torc.port);
      client.send(get('/a'));
      await client.gone();
      assert.not.match(client.received, /\r\n0\r\n/);
      assert.ok(client.received.includes('abc') || client.received === '', client.received);
    });
  });
}

faults('bytes that answer nobody end an idle connection', async () => {
  await withProxy([plain('one')], {}, async (torc, [origin]) => {
    await ask(torc.port, get('/a'));
    for (const socket of origin!.sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await waitFor(() => origin!.sockets.size === 0, {
      timeoutMs: 2000,
      what: 'the connection to be dropped',
    });
    assert.is((await ask(torc.port, get('/b'))).body, 'one');
  });
});

faults('a silent replica: 504, a hint, and the attempt is cancelled', async () => {
  await withProxy(
    [silent, plain('second')],
    { RESPONSE_TIMEOUT_MS: '100' },
    async (torc, [first, second]) => {
      const answer = await ask(torc.port, get('/a'));
      assert.is(answer.status, 504);
      assert.is(torc.hints[0]!.cause, 'timeout');
      assert.is(second!.requests.length, 0);
      await waitFor(() => first!.sockets.size === 0, {
        timeoutMs: 2000,
        what: 'the attempt to be cancelled',
      });
    },
  );
});

/** A port whose accept queue is full: its thread sleeps, so the kernel takes no more connections for it. */
const DEAF = `
  const { parentPort } = require('node:worker_threads');
  const { connect, createServer } = require('node:net');
  const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    const { port } = server.address();
    for (let index = 0; index < 4; index++) connect(port, '127.0.0.1').on('error', () => {});
    setImmediate(() => {
      parentPort.postMessage(port);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
  });
`;

faults('a replica that does not accept in time: the next choice, also for POST', async () => {
  const deaf = new Worker(DEAF, { eval: true });
  const port = await new Promise<number>(resolve => deaf.once('message', resolve));
  const second = await rawOrigin(plain('second'));
  const torc = await startProxy([port, second.port], { CONNECT_TIMEOUT_MS: '100' });
  const answer = await ask(torc.port, post('/a', 'body'));
  assert.is(answer.body, 'second');
  assert.is(torc.hints[0]!.cause, 'timeout');
  await torc.close();
  await second.close();
  await deaf.terminate();
});

faults('an upload that came in pieces is sent again whole', async () => {
  const body = 'x'.repeat(60_000);
  await withProxy([reset, plain('second')], {}, async (torc, [, second]) => {
    const client = await rawClient(torc.port);
    client.send(
      `PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 30_000)}`,
    );
    await waitFor(() => torc.counters.collect().slots[0]?.inFlight === 1, {
      timeoutMs: 2000,
      what: 'the first attempt',
    });
    client.send(body.slice(30_000));
    assert.is((await client.answer()).body, 'second');
    assert.is(second!.requests[0]!.body, body);
    client.close();
  });
});

faults('an answer that stalls is cut', async () => {
  await withProxy(
    [bytes('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab')],
    { IDLE_TIMEOUT_MS: '100' },
    async torc => {
      const client = await rawClient(torc.port);
      client.send(get('/a'));
      await client.gone();
      assert.ok(client.received.endsWith('\r\n\r\nab'));
    },
  );
});

faults('a request body that stalls: 408', async () => {
  await withProxy([plain('x')], { IDLE_TIMEOUT_MS: '100', RESPONSE_TIMEOUT_MS: '100' }, async torc => {
    const client = await rawClient(torc.port);
    client.send('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab');
    assert.is((await client.answer()).status, 408);
    await client.gone();
  });
});

faults('a client that leaves cancels its attempt', async () => {
  await withProxy([silent], {}, async (torc, [origin]) => {
    const client = await rawClient(torc.port);
    client.send(get('/a'));
    await waitFor(() => origin!.requests.length === 1, { timeoutMs: 2000, what: 'the request' });
    client.close();
    await waitFor(() => origin!.sockets.size === 0, { timeoutMs: 2000, what: 'the cancel' });
    const delta = torc.counters.collect();
    assert.is(errorCount(delta, 'CLIENT_GONE'), 1);
    assert.is(delta.slots.length, 0, 'nothing in flight, nothing counted for the slot');
  });
});

faults('connections and queue are bounded: what waits is served, what is beyond gets 503', async () => {
  const waiting: (() => void)[] = [];
  const held: Answer = (request, socket) => void waiting.push(() => plain('ok')(request, socket));
  await withProxy([held], { MAX_CONNECTIONS_PER_REPLICA: '2', MAX_QUEUE: '3' }, async (torc, [origin]) => {
    const clients: RawClient[] = [];
    for (let index = 0; index < 7; index++) {
      const client = await rawClient(torc.port);
      client.send(get(`/${index}`));
      clients.push(client);
    }
    await waitFor(() => clients.filter(client => client.received.includes(' 503 ')).length === 2, {
      timeoutMs: 2000,
      what: 'two refusals',
    });
    assert.is(origin!.connections, 2);
    for (let served = 0; served < 5; served++) {
      await waitFor(() => waiting.length > 0, { timeoutMs: 2000, what: 'the next request' });
      waiting.shift()!();
    }
    await waitFor(() => clients.filter(client => client.received.includes('200 OK')).length === 5, {
      timeoutMs: 2000,
      what: 'five answers',
    });
    assert.is(origin!.connections, 2);
    const refused = clients.find(client => client.received.includes(' 503 '))!;
    assert.match(refused.received, /Retry-After: 1\r\n/);
    for (const client of clients) client.close();
  });
});

faults('a client that leaves the queue leaves no trace', async () => {
  const waiting: (() => void)[] = [];
  const held: Answer = (request, socket) => void waiting.push(() => plain('ok')(request, socket));
  await withProxy([held], { MAX_CONNECTIONS_PER_REPLICA: '1', MAX_QUEUE: '5' }, async (torc, [origin]) => {
    const first = await rawClient(torc.port);
    first.send(get('/first'));
    await waitFor(() => waiting.length === 1, { timeoutMs: 2000, what: 'the first request' });
    const leaver = await rawClient(torc.port);
    leaver.send(get('/leaver'));
    await waitFor(() => torc.counters.collect().slots[0]?.inFlight === 2, {
      timeoutMs: 2000,
      what: 'the second to queue',
    });
    leaver.close();
    await waitFor(() => torc.counters.collect().slots[0]?.inFlight === 1, {
      timeoutMs: 2000,
      what: 'the second to leave',
    });
    waiting.shift()!();
    assert.is((await first.answer()).status, 200);
    first.send(get('/again'));
    await waitFor(() => waiting.length === 1, { timeoutMs: 2000, what: 'the third request' });
    waiting.shift()!();
    assert.is((await first.answer()).status, 200);
    assert.equal(
      origin!.requests.map(({ target }) => target),
      ['/first', '/again'],
    );
    first.close();
  });
});

faults(
  'a replica that left routing ends its requests; one that is lost gives them to the next choice',
  async () => {
    const waiting: (() => void)[] = [];
    const held: Answer = (request, socket) => void waiting.push(() => plain('old')(request, socket));
    await withProxy([held, plain('second')], {}, async (torc, [first, second]) => {
      const client = await rawClient(torc.port);
      client.send(get('/a'));
      await waitFor(() => waiting.length === 1, { timeoutMs: 2000, what: 'the request' });
      let drained = false;
      torc.snapshots.apply(snapshotOf(2, [second!.port, second!.port], { generation: 1 }));
      torc.snapshots.drained('replica-1-0', () => {
        drained = true;
      });
      assert.is(drained, false);
      waiting.shift()!();
      assert.is((await client.answer()).body, 'old');
      assert.is(drained, true);
      await waitFor(() => first!.sockets.size === 0, { timeoutMs: 2000, what: 'the pool to close' });
      client.close();
    });
    await withProxy([held, plain('second')], {}, async (torc, [first, second]) => {
      const [reader, writer] = [await rawClient(torc.port), await rawClient(torc.port)];
      reader.send(get('/a'));
      writer.send(post('/b', 'once'));
      await waitFor(() => waiting.length === 2, { timeoutMs: 2000, what: 'the requests' });
      const lost = { generation: 1, lost: ['replica-1-0'] };
      torc.snapshots.apply(snapshotOf(2, [second!.port, second!.port], lost));
      assert.is((await reader.answer()).body, 'second');
      // The POST may have done its work: its answer is waited for, and it is not asked twice.
      for (const answer of waiting.splice(0)) answer();
      assert.is((await writer.answer()).body, 'old');
      assert.equal(
        second!.requests.map(({ target }) => target),
        ['/a'],
      );
      await waitFor(() => first!.sockets.size === 0, { timeoutMs: 2000, what: 'the pool to close' });
      reader.close();
      writer.close();
    });
  },
);

faults('a slot that has another replica by the time of the retry is its first choice still', async () => {
  await withProxy([silent, plain('new'), plain('other')], {}, async (torc, [old, fresh, other]) => {
    old!.answer = (_request, socket) => {
      torc.snapshots.apply(snapshotOf(2, [fresh!.port, other!.port], { generation: 1 }));
      socket.resetAndDestroy();
    };
    const answer = await ask(torc.port, get('/a'));
    assert.is(answer.body, 'new');
    assert.is(fieldOf(answer, 'x-served-by'), '1');
  });
});

faults('TORC_COMPAT=assignment: a 404 becomes the assignment’s answer', async () => {
  await withProxy([plain('nothing', [], '404 Not Found')], { COMPAT: 'assignment' }, async torc => {
    const answer = await ask(torc.port, get('/other?x=1'));
    assert.is(answer.status, 400);
    assert.equal(JSON.parse(answer.body), {
      message: "<Error> '/other' endpoint does not exist in server replicas",
      status: 'failure',
    });
  });
});

faults.run();
