// What the fuzzer found in pipelined requests and in bytes above 127, as it found it (test/fuzz).

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Origin, type OriginRequest, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const pipelining = suite('pipelining');
let origin: Origin;
let torc: TestProxy;

pipelining.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startProxy([origin.port]);
});
pipelining.after(async () => {
  await torc.close();
  await origin.close();
});

/** Sends `stream`, waits until `end` has come, gives all that came. */
async function exchange(stream: string, end: string): Promise<string> {
  const client = await rawClient(torc.port);
  client.send(stream);
  await waitFor(() => client.received.includes(end), {
    timeoutMs: 5000,
    what: `${end} in ${client.received}`,
  });
  client.close();
  return client.received;
}

/** Answers each target with its own function, once it is there. */
const byTarget =
  (answers: Record<string, (socket: Socket) => unknown>) =>
  (request: OriginRequest, socket: Socket): void => {
    answers[request.target]?.(socket);
  };

pipelining('a 1xx of the second request does not land in the first answer', async () => {
  origin.answer = byTarget({
    '/first': socket => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst'),
    '/early': socket => {
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nea');
      setImmediate(() => socket.write('rly'));
    },
  });
  const received = await exchange(get('/first') + get('/early'), 'early');
  assert.match(
    received,
    /first\r?\n?HTTP\/1\.1 103 Early Hints\r\n\r\nHTTP\/1\.1 200 OK\r\n.*\r\n\r\nearly$/s,
  );
});

pipelining('a request waits for the answers before it: an unsafe one is never overtaken', async () => {
  origin.requests.length = 0;
  const held: Socket[] = [];
  origin.answer = (request, socket) => {
    if (request.target === '/slow') held.push(socket);
    else plain('fast')(request, socket);
  };
  const client = await rawClient(torc.port);
  client.send('POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx');
  client.send('DELETE /after HTTP/1.1\r\nHost: a\r\n\r\n');
  await waitFor(() => held.length === 1, { timeoutMs: 5000, what: 'the first at the replica' });
  // A later request of another client is through: the DELETE had every chance.
  await ask(torc.port, get('/other'));
  assert.equal(
    origin.requests.map(request => request.target),
    ['/slow', '/other'],
  );
  held[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow');
  await waitFor(() => client.received.includes('fast'), { timeoutMs: 5000, what: 'the second answer' });
  assert.ok(client.received.indexOf('slow') < client.received.indexOf('fast'));
  client.close();
});

pipelining('many more requests than may wait are all answered', async () => {
  origin.answer = plain('hello');
  const count = 300;
  const client = await rawClient(torc.port);
  for (let i = 0; i < count; i++) client.send(get(`/${i}`));
  await waitFor(() => client.received.split('hello').length > count, {
    timeoutMs: 20_000,
    what: 'all answers',
  });
  client.close();
});

pipelining('bodies among many requests reach their own, and all are answered in order', async () => {
  const client = await rawClient(torc.port);
  origin.answer = ({ target }, socket) => {
    const path = target.slice(1);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length + 2}\r\n\r\n<${path}>`);
  };
  const texts = Array.from({ length: 100 }, (_, i) =>
    i % 3 === 2
      ? `POST /p${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`
      : `OPTIONS /o${i} HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n`,
  );
  client.send(texts.join(''));
  await waitFor(() => client.received.split('>').length > 100, { timeoutMs: 20_000, what: 'all answers' });
  assert.equal(
    [...client.received.matchAll(/<[po](\d+)>/g)].map(match => Number(match[1])),
    texts.map((_, i) => i),
  );
  client.close();
});

pipelining('few requests are made of what a client sends at once', async () => {
  let made = 0;
  const count = (): void => void made++;
  subscribe('http.server.request.start', count);
  const client = await rawClient(torc.port);
  try {
    let reached = 0;
    origin.answer = () => void reached++;
    client.send('OPTIONS /x HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n'.repeat(1_000));
    await waitFor(() => reached > 0, { timeoutMs: 20_000, what: 'the first to reach the replica' });
    assert.ok(made >= 1 && made <= 16, `${made} requests`);
  } finally {
    unsubscribe('http.server.request.start', count);
    client.close();
  }
});

pipelining('garbage behind requests that wait: they are answered, then one 400 and the end', async () => {
  origin.answer = plain('hello');
  const client = await rawClient(torc.port);
  client.send(`${get('/1')}${get('/2')}GARBAGE\r\n\r\n`);
  await waitFor(() => client.received.includes('malformed'), { timeoutMs: 5000, what: 'the 400' });
  assert.is(client.received.split('hello').length - 1, 2, client.received);
  assert.is(client.received.split('HTTP/1.1 400').length - 1, 1);
  client.close();
});

pipelining('a body that breaks while its request waits is refused in its turn', async () => {
  origin.answer = plain('hello');
  const broken = 'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';
  const received = await exchange(get('/1') + broken, 'HTTP/1.1 400');
  assert.is(received.split('hello').length - 1, 1, received);
});

pipelining('a byte above 127 in a head that comes before its body stays one byte', async () => {
  origin.answer = (_request, socket) => {
    socket.write(Buffer.from('HTTP/1.1 200 OK\r\nX-High: \xe9\r\nContent-Length: 2\r\n\r\n', 'latin1'));
    setTimeout(() => socket.write('ok'), 30);
  };
  assert.match(await exchange(get('/'), '\r\n\r\nok'), 'X-High: \xe9\r\n');
});

pipelining('white space around a length or coding is space and tab only', async () => {
  for (const field of ['Content-Length: \xa02', 'Transfer-Encoding: \xa0chunked', 'Content-Length: 2\x0b']) {
    origin.answer = (_request, socket) => {
      socket.end(Buffer.from(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n2\r\nok\r\n0\r\n\r\n`, 'latin1'));
    };
    assert.match(await exchange(get('/'), '\r\n\r\n'), /^HTTP\/1\.1 502 /, field);
  }
});

pipelining.run();
