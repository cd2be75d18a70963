// One heartbeat against real servers that answer in every way a replica can: well, badly, half, slowly, not at all.

import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProbeResult, Question } from '../../src/control/driver.ts';
import { probe as ask } from '../../src/drivers/probe.ts';
import { h2Origin, type StreamAnswer } from '../support/h2-origin.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('probe');
const TIMEOUT_MS = 300;

const QUESTION: Question = {
  mode: 'http',
  method: 'GET',
  path: '/',
  host: null,
  port: null,
  statuses: [{ from: 200, to: 399 }],
};

function probe(
  host: string,
  port: number,
  question: Partial<Question> | string,
  timeoutMs: number,
): Promise<ProbeResult> {
  const asked = { ...QUESTION, ...(typeof question === 'string' ? { path: question } : question) };
  const [id, slot] = ['a', '1'];
  const replica = {
    id,
    slot,
    generation: 1,
    spare: false,
    status: 'running' as const,
    host,
    port,
    label: id,
  };
  return ask(replica, asked, timeoutMs);
}

async function asked(
  server: Server,
  question: Partial<Question> | string = '/heartbeat',
  timeoutMs = 5_000,
): Promise<ProbeResult> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const result = await probe('127.0.0.1', (server.address() as AddressInfo).port, question, timeoutMs);
    await waitFor(() => sockets.size === 0, {
      timeoutMs: 20_000,
      what: "the probe's connection to be closed",
    });
    return result;
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const answering = (answer: (response: ServerResponse, path: string) => void): Server =>
  createHttpServer((request, response) => answer(response, request.url ?? ''));
const raw = (text: string, end = false): Server =>
  createServer(socket => {
    socket.once('data', () => (end ? socket.end(text) : socket.write(text)));
  });

for (const status of [200, 204, 302, 399]) {
  test(`${status} is alive`, async () => {
    const result = await asked(answering(response => response.writeHead(status).end()));
    assert.ok(result.alive);
    assert.match(result.detail, new RegExp(`^${status} in \\d+ ms$`));
  });
}

for (const status of [400, 404, 500, 503]) {
  test(`${status} is not`, async () => {
    const result = await asked(answering(response => response.writeHead(status).end('sorry')));
    assert.equal([result.alive, result.got, result.status], [false, 'answer', status]);
    assert.match(result.detail, new RegExp(`^${status} in \\d+ ms$`));
  });
}

test('the path is asked as it was given', async () => {
  let seen = '';
  await asked(
    answering((response, path) => {
      seen = path;
      response.end();
    }),
    '/health?deep=1',
  );
  assert.is(seen, '/health?deep=1');
});

test('method and Host as they were given; other statuses may mean alive', async () => {
  const seen: (string | undefined)[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(request.method, request.headers.host);
    response.writeHead(401).end();
  });
  const statuses = [
    { from: 200, to: 299 },
    { from: 401, to: 401 },
  ];
  const result = await asked(server, { method: 'HEAD', host: 'app.example', statuses });
  assert.equal([result.alive, ...seen], [true, 'HEAD', 'app.example']);
});

test('the port of heartbeats may be another; a connection may be enough', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const silent = await probe('127.0.0.1', 1, { port, path: '/' }, TIMEOUT_MS);
    assert.equal([silent.alive, silent.got], [false, 'nothing']);
    const connected = await probe('127.0.0.1', port, { mode: 'tcp' }, 5_000);
    assert.ok(connected.alive);
    assert.match(connected.detail, /^connected in \d+ ms$/);
  } finally {
    server.close();
  }
  assert.equal((await probe('127.0.0.1', 1, { mode: 'tcp' }, 5_000)).got, 'refused');
});

test('a path that no request can carry is an answer too, not a crash', async () => {
  assert.is((await probe('127.0.0.1', 1, '/a b', TIMEOUT_MS)).alive, false);
});

test('nobody listens: refused, in words', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  assert.equal(await probe('127.0.0.1', port, '/', 2_000), {
    alive: false,
    got: 'refused',
    status: 0,
    detail: 'connection refused',
  });
});

const late: ProbeResult = {
  alive: false,
  got: 'nothing',
  status: 0,
  detail: `no answer within ${TIMEOUT_MS} ms`,
};

test('accepted and never answered (paused, hung): the deadline', async () => {
  const result = await asked(
    createServer(socket => socket.resume()),
    '/',
    TIMEOUT_MS,
  );
  assert.equal(result, late);
});

test('a head without its whole body: the deadline', async () => {
  const result = await asked(raw('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'), '/', TIMEOUT_MS);
  assert.equal(result, late);
});

test('closed without an answer, and in the midst of one', async () => {
  for (const text of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf']) {
    assert.equal(await asked(raw(text, true)), {
      alive: false,
      got: 'nothing',
      status: 0,
      detail: 'connection closed without an answer',
    });
  }
});

test('an answer that is not HTTP', async () => {
  const result = await asked(raw('220 mail.example ESMTP\r\n'));
  assert.equal([result.alive, result.got], [false, 'answer'], 'but somebody lives there');
  assert.match(result.detail, /^not an HTTP answer/);
});

/** A server on a thread of its own, which answers when it is told to: `turn` goes from 0 to asked, answer, answered. */
const ASKED = 1;
const ANSWER = 2;
const ANSWERED = 3;
const onItsOwnThread = `
  const { parentPort, workerData: turn } = require('node:worker_threads');
  require('node:http').createServer((ask, reply) => {
    Atomics.store(turn, 0, ${ASKED});
    Atomics.wait(turn, 0, ${ASKED});
    reply.once('finish', () => { Atomics.store(turn, 0, ${ANSWERED}); Atomics.notify(turn, 0); });
    reply.end('here');
  }).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port); });
`;

test('an answer that came while we could not run is read before the deadline is judged', async () => {
  const deadlineMs = 1_500;
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(onItsOwnThread, { eval: true, workerData: turn });
  try {
    const [port] = (await once(worker, 'message')) as [number];
    const startedMs = performance.now();
    const asking = probe('127.0.0.1', port, '/', deadlineMs);
    await waitFor(() => Atomics.load(turn, 0) === ASKED, { timeoutMs: deadlineMs, what: 'the question' });
    // Between an immediate and the next poll run the timers: the deadline's is due there.
    await new Promise(resolve => setImmediate(resolve));
    Atomics.store(turn, 0, ANSWER);
    Atomics.notify(turn, 0);
    // From here on this thread stands still until the answer is there and the deadline is over.
    Atomics.wait(turn, 0, ANSWER);
    while (performance.now() - startedMs < deadlineMs + 50);
    assert.ok((await asking).alive);
  } finally {
    await worker.terminate();
  }
});

test('an endless body is read no further than its bound', async () => {
  const result = await asked(
    answering(response => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
        response.once('drain', more);
      };
      more();
    }),
  );
  assert.ok(result.alive);
});

test('a host name that is not there', async () => {
  const result = await probe('no-such-host.invalid', 80, '/', 5_000);
  assert.is(result.alive, false);
});

// ---- HTTP/2

const h2 = (
  answer: StreamAnswer,
  question: Partial<Question> = {},
  timeoutMs = 5_000,
): Promise<ProbeResult> =>
  h2Origin(answer).then(origin =>
    probe('127.0.0.1', origin.port, { mode: 'http2', ...question }, timeoutMs).finally(() => origin.close()),
  );

test('HTTP/2: the status decides, and the host that was set is asked for', async () => {
  let authority: string | undefined;
  const well = await h2(
    ({ stream, headers }) => {
      authority = headers[':authority'];
      stream.respond({ ':status': 204 }, { endStream: true });
    },
    { host: 'a.example' },
  );
  assert.equal([well.alive, well.got, well.status, authority], [true, 'answer', 204, 'a.example']);
  const badly = await h2(({ stream }) => {
    stream.respond({ ':status': 503 });
    stream.end('x'.repeat(100_000));
  });
  assert.equal([badly.alive, badly.got, badly.status], [false, 'answer', 503]);
  const silent = await h2(() => {}, {}, TIMEOUT_MS);
  assert.equal([silent.alive, silent.got], [false, 'nothing']);
  assert.is((await probe('127.0.0.1', 1, { mode: 'http2' }, 5_000)).got, 'refused');
  const reset = await h2(({ stream }) => stream.session!.destroy());
  assert.equal([reset.alive, reset.got], [false, 'nothing']);
});

test('HTTP/2: who speaks HTTP/1.1 lives, and is told', async () => {
  const result = await asked(
    createHttpServer((_request, response) => void response.end('well')),
    { mode: 'http2' },
  );
  assert.is(result.alive, false);
  assert.match(result.detail, /not an HTTP\/2 answer|closed/);
});

test("gRPC's health check: SERVING is alive; anything else is not, and why is told", async () => {
  const serving =
    (status: number): StreamAnswer =>
    ({ stream, headers }) => {
      assert.equal(
        [headers[':method'], headers[':path'], headers['content-type'], headers.te],
        ['POST', '/grpc.health.v1.Health/Check', 'application/grpc', 'trailers'],
      );
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
    };
  const failing =
    (code: number): StreamAnswer =>
    ({ stream }) =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(code) },
        { endStream: true },
      );
  const grpc = { mode: 'grpc' as const };
  assert.is((await h2(serving(1), grpc)).alive, true);
  const table: [StreamAnswer, number, RegExp][] = [
    [serving(2), 503, /not SERVING/],
    [failing(12), 501, /grpc-status 12/],
    [failing(14), 503, /grpc-status 14/],
    [({ stream }) => stream.respond({ ':status': 404 }, { endStream: true }), 404, /without a grpc-status/],
  ];
  for (const [answer, status, detail] of table) {
    const result = await h2(answer, grpc);
    assert.equal([result.alive, result.got, result.status], [false, 'answer', status]);
    assert.match(result.detail, detail);
  }
});

test.run();
