// The door of HTTP/2, through a client that is not torc's (node:http2's, and frames by hand where it is too polite): each
// stream is an exchange like any other.

import type { ClientHttp2Session } from 'node:http2';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ask2,
  block,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  frameClient,
  GET,
  GOAWAY,
  getFrame,
  HEADERS,
  http2Client,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  uint32,
} from '../support/http2.ts';
import { bytes, type Origin, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, get, rawClient } from '../support/raw.ts';
import { isStill, waitFor } from '../support/wait.ts';

const http2 = suite('http2');
let origin: Origin;
let torc: TestProxy;
let session: ClientHttp2Session;

http2.before.each(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startProxy([origin.port]);
  session = await http2Client(torc.port);
});
http2.after.each(async () => {
  session.destroy();
  await torc.close();
  await origin.close();
});

const headOf = (index = 0): string => origin.requests[index]!.head;

http2('a GET is one exchange: authority as Host, version in Via, the answer with its fields', async () => {
  origin.answer = plain('hello', ['X-Mixed: Case', 'Set-Cookie: a=1', 'Set-Cookie: b=2']);
  const answer = await ask2(session, { ':path': '/a?b=c', ':authority': 'shop.test:81', 'x-one': '1' });
  assert.is(answer.status, 200);
  assert.is(answer.body, 'hello');
  assert.is(answer.headers['x-mixed'], 'Case');
  assert.equal(answer.headers['set-cookie'], ['a=1', 'b=2']);
  assert.is(answer.headers['x-served-by'], '1');
  assert.is(answer.headers.via, '1.1 torc');
  assert.is(answer.code, 0);
  assert.match(headOf(), /^GET \/a\?b=c HTTP\/1\.1\r\nhost: shop\.test:81\r\nx-one: 1\r\n/);
  assert.match(headOf(), /\r\nVia: 2\.0 torc\r\nx-request-id: [0-9a-z-]+$/);
  assert.match(headOf(), /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
});

http2('cookies are joined, and a host beside :authority does not count', async () => {
  const client = await frameClient(torc.port);
  client.send(
    getFrame(1, [
      ['cookie', 'a=1'],
      ['host', 'other.test'],
      ['cookie', 'b=2'],
    ]),
  );
  await client.sees(({ type, id }) => type === HEADERS && id === 1, 'an answer');
  client.close();
  assert.match(headOf(), /\r\ncookie: a=1; b=2\r\n/);
  assert.match(headOf(), /\r\nhost: torc\.test\r\n/);
  assert.not.match(headOf(), /other/);
});

http2(
  'a body of known length, one of unknown length, and one with trailers reach the replica whole',
  async () => {
    await ask2(session, { ':method': 'POST', 'content-length': '3' }, { body: 'abc' });
    await ask2(session, { ':method': 'PUT' }, { body: 'def' });
    await ask2(session, { ':method': 'POST' }, { body: 'ghi', trailers: { 'x-sum': '7' } });
    const announced = { ':method': 'POST', 'content-length': '3', trailer: 'x-sum' };
    await ask2(session, announced, { body: 'jkl', trailers: { 'x-sum': '8' } });
    assert.equal(
      origin.requests.map(({ body }) => body),
      ['abc', 'def', 'ghi', 'jkl'],
    );
    assert.match(headOf(0), /content-length: 3/);
    assert.match(headOf(1), /transfer-encoding: chunked/);
    assert.is(origin.requests[2]!.trailers, 'x-sum: 7');
    assert.is(origin.requests[3]!.trailers, 'x-sum: 8');
    assert.not.match(headOf(3), /content-length/);
  },
);

http2(
  "a replica's trailers, interim answers and answers without a body come as HTTP/2 has them",
  async () => {
    origin.answer = bytes(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
    const answer = await ask2(session, {});
    assert.is(answer.informational[0]![':status'], 103);
    assert.is(answer.informational[0]!.link, '</a>');
    assert.is(answer.body, 'abc');
    assert.is(answer.trailers['x-sum'], '7');
    assert.is(answer.headers['transfer-encoding'], undefined);
    origin.answer = bytes('HTTP/1.1 204 No Content\r\n\r\n');
    assert.is((await ask2(session, {})).status, 204);
    origin.answer = bytes('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n');
    assert.is((await ask2(session, {})).headers.etag, '"a"');
    origin.answer = bytes('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n');
    const head = await ask2(session, { ':method': 'HEAD' });
    assert.is(head.headers['content-length'], '500');
    assert.is(head.body, '');
    assert.is(head.code, 0);
  },
);

http2('streams of one connection are answered as they come, not in turn', async () => {
  const waiting: (() => void)[] = [];
  origin.answer = (request, socket) => {
    if (request.target === '/slow') waiting.push(() => plain('slow')(request, socket));
    else plain('fast')(request, socket);
  };
  const slow = ask2(session, { ':path': '/slow' });
  await waitFor(() => waiting.length === 1, { timeoutMs: 10_000, what: 'the slow request' });
  assert.is((await ask2(session, { ':path': '/fast' })).body, 'fast');
  waiting[0]!();
  assert.is((await slow).body, 'slow');
});

http2('many at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, id) => ask2(session, { ':path': `/${id}` })),
  );
  assert.ok(answers.every(({ status, body }) => status === 200 && body === 'hello'));
  assert.is(new Set(origin.requests.map(({ target }) => target)).size, 500);
});

http2('the preface is known however it is cut, and what is like it goes to HTTP/1.1', async () => {
  const start = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), getFrame(1)]);
  const cuts = Array.from({ length: PREFACE.length + 2 }, (_, cut) => cut);
  await Promise.all(
    cuts.map(async cut => {
      const client = await frameClient(torc.port, { silent: true });
      client.send(start.subarray(0, cut));
      await new Promise(resolve => setImmediate(resolve));
      client.send(start.subarray(cut));
      await client.sees(({ type, id }) => type === HEADERS && id === 1, `an answer, cut at ${cut}`);
      client.close();
    }),
  );
  for (const begin of ['P', 'PRI * HTTP/2.0\r\n', 'PRI * HTTP/2.0\r\n\r\nSM']) {
    const client = await rawClient(torc.port);
    client.send(begin);
    await new Promise(resolve => setImmediate(resolve));
    client.send(begin === 'P' ? `OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n` : '!\r\n\r\n');
    assert.is((await client.answer()).status, begin === 'P' ? 200 : 400, begin);
    client.close();
  }
  const second = await rawClient(torc.port);
  second.send(get('/'));
  await second.answer();
  second.send(PREFACE.toString('latin1'));
  assert.is((await second.answer()).status, 400);
});

http2('TORC_HTTP2=off: the preface is refused like any other nonsense', async () => {
  const off = await startProxy([origin.port], { HTTP2: 'off' });
  assert.is((await ask(off.port, PREFACE.toString('latin1'))).status, 400);
  await off.close();
});

http2(
  'faults of a head are refused with a 400, what is too long with a 431, CONNECT with a 405',
  async () => {
    assert.is((await ask2(session, { ':authority': 'a.test:b' })).status, 400);
    assert.is((await ask2(session, { 'x-long': 'a'.repeat(40_000) })).status, 431);
    assert.is((await ask2(session, { ':method': 'TRACE' })).status, 405);
    const client = await frameClient(torc.port);
    const connect = [
      [':method', 'CONNECT'],
      [':authority', 'a.test:443'],
    ] as const;
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(connect)));
    await client.sees(({ type, id }) => type === HEADERS && id === 1, 'an answer');
    client.close();
    assert.is(errorCount(torc.counters.collect(false, null), 'CONNECT_REFUSED'), 1);
    assert.is(origin.requests.length, 0);
  },
);

http2('a stream that its client resets gives the replica up, in an upload and in an answer', async () => {
  origin.atHead = true;
  origin.answer = () => {};
  // Node's own client would end the stream before it resets it.
  const client = await frameClient(torc.port);
  const post = GET.map(([name, value]) => [name, name === ':method' ? 'POST' : value] as const);
  client.send(frame(HEADERS, END_HEADERS, 1, block(post)), frame(DATA, 0, 1, Buffer.from('abc')));
  await waitFor(() => origin.bytes.includes('abc'), { timeoutMs: 10_000, what: 'the upload' });
  client.send(frame(RST_STREAM, 0, 1, uint32(8)));
  await waitFor(() => origin.sockets.size === 0, { timeoutMs: 10_000, what: 'the replica to be left' });
  assert.not.ok(origin.bytes.endsWith('0\r\n\r\n'), 'the body passes for a whole one');
  origin.answer = bytes('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  const download = session.request({ ':path': '/' });
  download.on('error', () => {});
  await new Promise(resolve => download.once('data', resolve));
  download.close(8);
  await waitFor(() => origin.sockets.size === 0, { timeoutMs: 10_000, what: 'the replica to be left' });
  const delta = torc.counters.collect(false, null);
  assert.is(errorCount(delta, 'CLIENT_GONE'), 2);
  client.close();
});

http2('an answer that breaks off is a reset stream, and the connection goes on', async () => {
  for (const framing of ['Content-Length: 9\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n']) {
    origin.answer = bytes(`HTTP/1.1 200 OK\r\n${framing}`, { end: true });
    const cut = await ask2(session, {});
    assert.is(cut.status, 200);
    assert.is(cut.body, 'abc');
    assert.is(cut.code, 2, framing);
  }
  origin.answer = plain('well');
  assert.is((await ask2(session, {})).body, 'well');
});

http2('an answer before the end of its request ends the upload without an error', async () => {
  origin.atHead = true;
  origin.answer = plain('enough', [], '413 Content Too Large');
  const upload = session.request({ ':path': '/', ':method': 'POST' });
  upload.write('a'.repeat(1000));
  let body = '';
  upload.setEncoding('utf8');
  upload.on('data', chunk => {
    body += chunk;
  });
  await new Promise(resolve => upload.once('close', resolve));
  assert.is(body, 'enough');
  assert.is(upload.rstCode, 0);
});

http2('such an answer has its end, and its trailers, before the reset', async () => {
  origin.atHead = true;
  for (const [answer, trailer] of [
    ['Content-Length: 6\r\n\r\nenough', ''],
    ['Content-Length: 0\r\n\r\n', ''],
    ['Transfer-Encoding: chunked\r\n\r\n6\r\nenough\r\n0\r\nX-Sum: 77\r\n\r\n', 'x-sum'],
  ] as const) {
    origin.answer = bytes(`HTTP/1.1 413 Content Too Large\r\n${answer}`);
    const client = await frameClient(torc.port);
    const post = GET.map(([name, value]) => [name, name === ':method' ? 'POST' : value] as const);
    const head = block([...post, ['te', 'trailers']]);
    client.send(frame(HEADERS, END_HEADERS, 1, head), frame(DATA, 0, 1, Buffer.alloc(100)));
    const reset = await client.sees(({ type, id }) => type === RST_STREAM && id === 1, 'the reset');
    assert.is(reset.payload.readUInt32BE(0), 0);
    const ofAnswer = client.frames.filter(({ type, id }) => id === 1 && (type === HEADERS || type === DATA));
    assert.ok((ofAnswer.at(-1)!.flags & END_STREAM) !== 0, answer);
    assert.is(ofAnswer.at(-1)!.type === HEADERS && ofAnswer.length > 1, trailer !== '', answer);
    client.close();
  }
});

http2('a client that closes its half is let go at once, or with its last answer', async () => {
  const waiting: (() => void)[] = [];
  origin.answer = (request, socket) => void waiting.push(() => plain('late')(request, socket));
  const client = await frameClient(torc.port);
  client.send(getFrame(1));
  await waitFor(() => waiting.length === 1, { timeoutMs: 10_000, what: 'the request' });
  client.socket.end();
  waiting[0]!();
  await client.sees(({ type, id }) => type === HEADERS && id === 1, 'the answer');
  await waitFor(() => client.closed, { timeoutMs: 10_000, what: 'its end' });
  const idle = await frameClient(torc.port);
  await idle.sees(({ type }) => type === SETTINGS, 'the settings');
  idle.socket.end();
  const startedMs = performance.now();
  await waitFor(() => idle.closed, { timeoutMs: 10_000, what: 'the end of the idle one' });
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 900, `it kept its place for ${tookMs} ms`);
});

http2(
  'drain: the end is announced, what crosses that is served; then the last request is named, and the connection ends',
  async () => {
    const waiting: (() => void)[] = [];
    origin.answer = (request, socket) => void waiting.push(() => plain('slow')(request, socket));
    const client = await frameClient(torc.port);
    client.send(getFrame(1));
    await waitFor(() => waiting.length === 1, { timeoutMs: 10_000, what: 'the request' });
    const idle = await http2Client(torc.port);
    const drained = torc.proxy.drain(20_000);
    const announced = await client.sees(({ type }) => type === GOAWAY, 'the announcement');
    assert.is(announced.payload.readUInt32BE(0), 2 ** 31 - 1);
    client.send(getFrame(3));
    await waitFor(() => waiting.length === 2, { timeoutMs: 10_000, what: 'what has crossed it' });
    const isSecond = (frame: Frame): boolean => frame.type === GOAWAY && frame !== announced;
    const said = await client.sees(isSecond, 'the last word');
    assert.is(said.payload.readUInt32BE(0), 3);
    // Not served, and its client knows it; nor is what belongs to it a fault.
    client.send(frame(HEADERS, END_HEADERS, 5, block(GET)), frame(DATA, END_STREAM, 5, 'abc'));
    await waitFor(() => idle.closed, { timeoutMs: 10_000, what: 'an idle connection to end' });
    for (const answer of waiting) answer();
    await client.sees(({ type, id }) => type === HEADERS && id === 3, 'the answer');
    await drained;
    assert.is(await client.goaway(), 0);
    assert.is(origin.requests.length, 2);
    assert.is(errorCount(torc.counters.collect(false, null), 'CLIENT_GONE'), 0);
  },
);

http2('a slow reader holds the replica back, and a slow replica the client', async () => {
  const pieces = 256;
  const piece = Buffer.alloc(64 * 1024, 'a');
  let given = 0;
  origin.answer = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${pieces * piece.length}\r\n\r\n`);
    const more = (): void => {
      socket.write(piece, error => {
        if (!error && ++given < pieces) more();
      });
    };
    more();
  };
  const stream = session.request({ ':path': '/' });
  await new Promise(resolve => stream.once('response', resolve));
  await waitFor(
    isStill(() => given),
    { timeoutMs: 20_000, what: 'the replica to be held back' },
  );
  assert.ok(given < pieces / 2, `${given} pieces were taken`);
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
  });
  await new Promise(resolve => stream.once('close', resolve));
  assert.is(length, pieces * piece.length);
  origin.atHead = true;
  origin.answer = (_request, socket) => void socket.pause();
  const upload = session.request({ ':path': '/', ':method': 'POST' });
  upload.on('error', () => {});
  let taken = 0;
  const more = (): void => {
    upload.write(piece, error => {
      if (error) return;
      taken += piece.length;
      if (taken < 64 * 2 ** 20) more();
    });
  };
  more();
  await waitFor(
    isStill(() => taken),
    { timeoutMs: 20_000, what: 'the client to be held back' },
  );
  assert.ok(taken < 32 * 2 ** 20, `${taken} bytes were taken`);
  upload.close(8);
});

http2.run();
