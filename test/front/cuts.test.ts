// A pipeline of requests that the lanes take turns with (plain ones, a chunked body, an expectation, a method of
// its own, a control request), cut into two packets at every byte: whatever arrives when, each gets its own
// answer, in order, and a connection that changed its lane goes on.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Origin, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type RawClient, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const cuts = suite('cuts');
const AT_ONCE = 32;

const PIPELINE = [
  'GET /a HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET /c HTTP/1.1\r\nHost: a\r\nX-Same: 1\r\n\r\n',
  'OPTIONS /d HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n',
  'PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfour',
  'GET /rep HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'GET /f HTTP/1.1\r\nHost: a\r\nX-Same: 1\r\n\r\n',
];
const TEXT = PIPELINE.join('');
const EXPECTED = ['/a:', '/b:hello', '/c:', '/d:', '/e:four', 'admin', '/f:', '/g:'];

let origin: Origin;
let torc: TestProxy;

cuts.before(async () => {
  origin = await rawOrigin(({ target, body }, socket) => {
    const answer = `${target}:${body}`;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
  });
  torc = await startProxy([origin.port]);
});

cuts.after(async () => {
  await torc.close();
  await origin.close();
});

const answersIn = ({ received }: RawClient): number => received.split('HTTP/1.1 200').length - 1;

async function cutAt(at: number): Promise<void> {
  const client = await rawClient(torc.port);
  client.send(TEXT.slice(0, at));
  // What came before is answered as far as it goes: it was read by then, and the rest is another packet.
  const whole = PIPELINE.filter((_, index) => PIPELINE.slice(0, index + 1).join('').length <= at).length;
  await waitFor(() => answersIn(client) >= whole, {
    timeoutMs: 20_000,
    what: `${whole} answers before the cut at ${at}`,
  });
  client.send(TEXT.slice(at));
  await waitFor(() => answersIn(client) === PIPELINE.length, {
    timeoutMs: 20_000,
    what: `all, cut at ${at}`,
  });
  // The connection is idle, in whichever lane, and serves another.
  client.send('GET /g HTTP/1.1\r\nHost: a\r\nX-Same: 1\r\n\r\n');
  const bodies: string[] = [];
  for (let index = 0; index <= PIPELINE.length; index++) bodies.push((await client.answer()).body);
  assert.equal(bodies, EXPECTED, `cut at ${at}`);
  client.close();
}

cuts('at every byte', async () => {
  let next = 1;
  const some = async (): Promise<void> => {
    while (next < TEXT.length) await cutAt(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
});

cuts('into single bytes', async () => {
  const client = await rawClient(torc.port);
  for (const byte of TEXT) {
    client.send(byte);
    await new Promise(resolve => setImmediate(resolve));
  }
  for (const expected of EXPECTED.slice(0, -1)) assert.is((await client.answer()).body, expected);
  client.close();
});

cuts.run();
