// The fuzzer's own test: that its oracle can fail. First by hand, one exchange in which all is well and the same with one
// thing wrong; then a proxy of forty lines with the usual faults (it frames by the first Content-Length that parseInt
// can read, takes bare line feeds, and shares one replica connection), which the fuzzer has to catch within a few hundred streams.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Fuzzer } from './drive.ts';
import { makeStream } from './mutate.ts';
import { type Evidence, judge } from './oracle.ts';
import type { Seen } from './origin.ts';
import { readRequest, readRequests, readResponse } from './strict.ts';

const canary = suite('canary');

const ASKED = 'POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc';
const SAID = 'HTTP/1.1 200 OK\r\nX-Id: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
const GIVEN =
  'HTTP/1.1 200 OK\r\nX-Id: 1\r\nx-served-by: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';

const seen = (bytes: string, sent = SAID, ended: Seen['ended'] = 'no', first?: Seen): Seen => {
  const together = first === undefined ? [] : [first];
  const one: Seen = { request: readRequest(bytes, 0, 'proxy'), sent, ended, together, before: [] };
  together.push(one);
  return one;
};
const evidence = (change: Partial<Evidence> & { bytes?: string }): Evidence => ({
  stream: { bytes: change.bytes ?? ASKED, ending: 'wait' },
  seen: [seen(ASKED)],
  received: GIVEN,
  outcome: 'answered',
  ...change,
});
const rules = (change: Partial<Evidence> & { bytes?: string }): string[] =>
  judge(evidence(change)).violations.map(({ rule }) => rule);

canary('the oracle finds nothing wrong where nothing is', () => {
  assert.equal(rules({}), []);
  assert.equal(rules({ seen: [], received: '', outcome: 'left' }), []);
  // The replica was cut off, and so was the client.
  const half = SAID.slice(0, -5);
  assert.equal(
    rules({ seen: [seen(ASKED, half, 'reset')], received: GIVEN.slice(0, -5), outcome: 'closed' }),
    [],
  );
});

const NEVER = 'a request that the client never made';
const BEHIND = 'a request behind the end of a connection';
const NOT_ITS = "an answer that is not the replica's answer to this request";

canary('of requests that came together, each has the answer that stands at its place', () => {
  const [get, first] = ['GET /a HTTP/1.1\r\nHost: h\r\n\r\n', 'GET /first HTTP/1.1\r\nHost: h\r\n\r\n'];
  const of = (said: string, sent: string): string[] =>
    rules({ bytes: get, seen: [seen(get, sent, 'no', seen(first, said))] });
  assert.equal(of(SAID, SAID), []);
  assert.equal(of(SAID + SAID, ''), [], "an answer too much is the next one's");
  assert.equal(rules({ bytes: get, seen: [seen(get, '')] }), [NOT_ITS], 'but not of one that came later');
  assert.equal(of(SAID, ''), [NOT_ITS]);
  assert.equal(of(SAID.replace('X-Id', 'Connection: close\r\nX-Id'), SAID), [NOT_ITS]);
  assert.equal(of(SAID.slice(0, -5), SAID), [NOT_ITS]);
});

for (const [what, change, rule] of [
  [
    'an inner request that came out',
    { seen: [seen(ASKED), seen('GET /inner HTTP/1.1\r\nHost: h\r\n\r\n')] },
    NEVER,
  ],
  ['a request with another body', { seen: [seen(ASKED.replace('abc', 'abX'))] }, NEVER],
  ['a request with a field that nobody sent', { seen: [seen(ASKED.replace('Host', 'X: 1\r\nHost'))] }, NEVER],
  ['a cut request that came out whole', { bytes: ASKED.slice(0, -1) }, NEVER],
  ['a request behind a broken one', { bytes: `GET / HTTP/1.1\r\nHost : h\r\n\r\n${ASKED}` }, BEHIND],
  [
    'a request behind the last one',
    { bytes: `GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n${ASKED}` },
    BEHIND,
  ],
  ['a POST that was sent twice', { seen: [seen(ASKED), seen(ASKED)] }, 'sent too often'],
  ["another request's answer", { received: GIVEN.replace('hello', 'other') }, NOT_ITS],
  ['a cut answer that looks complete', { seen: [seen(ASKED, SAID.slice(0, -5), 'reset')] }, NOT_ITS],
  [
    'an ambiguous answer',
    { seen: [seen(ASKED, SAID.replace('X-Id', 'Content-Length: 5\r\nX-Id'))] },
    NOT_ITS,
  ],
  [
    'an answer until a close that was a reset',
    { seen: [seen(ASKED, 'HTTP/1.1 200 OK\r\nX-Id: 1\r\n\r\nhello', 'reset')] },
    NOT_ITS,
  ],
  ['an answer to nobody', { received: GIVEN + GIVEN }, "a replica's answer to no request"],
  ['a broken answer', { received: GIVEN.replace('5\r\n', 'x\r\n') }, 'a broken answer: a broken chunk size'],
  [
    'an own answer that is no error',
    { received: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' },
    'an answer of nobody that is no error',
  ],
  [
    'bytes behind the end',
    { received: `${GIVEN.replace('X-Id', 'Connection: close\r\nX-Id')}HTTP` },
    'bytes behind the last answer',
  ],
  ['a hang', { outcome: 'hung' }, 'neither answered nor closed'],
] as const) {
  canary(`the oracle sees ${what}`, () =>
    assert.ok(rules(change as Partial<Evidence>).includes(rule), String(rules(change as Partial<Evidence>))),
  );
}

canary('the strict reader has one reading, or none', () => {
  for (const [fields, body, kind] of [
    ['Content-Length: 3', 'abc', 'whole'],
    ['Content-Length: 4', 'abc', 'cut'],
    ['Content-Length: 3\r\nContent-Length: 3', 'abc', 'broken'],
    ['Content-Length: \xa03', 'abc', 'broken'],
    ['Content-Length: 3\r\nTransfer-Encoding: chunked', 'abc', 'broken'],
    ['Transfer-Encoding: chunked', '3;x="y"\r\nabc\r\n0\r\nT: 1\r\n\r\n', 'whole'],
    ['Transfer-Encoding: chunked', '3\r\nabcd\r\n0\r\n\r\n', 'broken'],
    ['Transfer-Encoding: chunked', '3\nabc\r\n0\r\n\r\n', 'broken'],
    ['Transfer-Encoding: gzip, chunked', '0\r\n\r\n', 'broken'],
    ['X: a\r\n b', '', 'broken'],
    ['X: a\nY: b', '', 'broken'],
    ['X : a', '', 'broken'],
  ] as const) {
    const text = `${fields}\r\n\r\n${body}`;
    assert.is(readRequest(`POST / HTTP/1.1\r\nHost: h\r\n${text}`, 0, 'client').kind, kind, fields);
    assert.is(
      readResponse(`HTTP/1.1 200 OK\r\n${text}`, 0, false, false).kind,
      kind === 'whole' || fields.startsWith('X') === false ? kind : 'broken',
      fields,
    );
  }
});

canary('a stream is the same each time, and half of what is made is still HTTP', () => {
  const streams = Array.from({ length: 400 }, (_, number) => makeStream(7, number));
  assert.equal(streams[399], makeStream(7, 399));
  assert.not.equal(streams[0]!.bytes, makeStream(8, 0).bytes);
  const sound = streams.filter(({ bytes }) =>
    readRequests(bytes).every(({ kind }) => kind === 'whole'),
  ).length;
  assert.ok(sound > 120 && sound < 320, `${sound} of 400 are sound`);
});

/** Reads a head up to an empty line, a body by the first length, and hands both on as they stand. */
function naiveProxy(originPort: number): Promise<Server> {
  let upstream: Socket | null = null;
  let waiting: Socket[] = [];
  const replica = (): Socket => {
    if (upstream?.writable) return upstream;
    const socket = connect(originPort, '127.0.0.1');
    socket.on('data', chunk => void waiting.shift()?.end(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const client of waiting) client.destroy();
      waiting = [];
    });
    upstream = socket;
    return socket;
  };
  const server = createServer(client => {
    let text = '';
    client.setTimeout(100, () => client.destroy());
    client.on('error', () => client.destroy());
    client.on('data', chunk => {
      text += chunk.toString('latin1');
      for (let head = /\r?\n\r?\n/.exec(text); head !== null; head = /\r?\n\r?\n/.exec(text)) {
        const end =
          head.index +
          head[0].length +
          (Number.parseInt(/content-length: *(\d+)/i.exec(text)?.[1] ?? '0', 10) || 0);
        const request = text.slice(0, end).replace(/\n/, `\nX-Forwarded-For: ${client.remoteAddress}\r\n`);
        text = text.slice(end);
        waiting.push(client);
        replica().write(request, 'latin1');
      }
    });
  });
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function catches(): Promise<void> {
  const fuzzer = new Fuzzer(1);
  await fuzzer.openOrigins(1);
  const proxy = await naiveProxy(fuzzer.origins[0]!.port);
  const { port } = proxy.address() as { port: number };
  await fuzzer.run(port, streams => streams < 300);
  fuzzer.close();
  proxy.close();
  const found = [...fuzzer.failures.keys()];
  assert.ok(found.includes(NEVER) || found.includes("nobody's request at the replica"), found.join('; '));
  assert.ok(
    found.some(rule => rule.endsWith('at the replica')),
    found.join('; '),
  );
  assert.ok(fuzzer.failures.size >= 4, found.join('; '));
}

if (process.platform === 'linux') canary('the fuzzer catches a naive proxy', catches);
else canary.skip('the fuzzer catches a naive proxy (needs 127.0.0.0/8)', catches);

canary.run();
