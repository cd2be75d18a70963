// What still waits at a replica that has ended: nobody may close its connections, so torc does, after what it had sent.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, bytes, type Origin, plain, rawOrigin } from '../support/origin.ts';
import { snapshotOf, startProxy, type TestProxy } from '../support/proxy.ts';
import { get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const upstream = suite('upstream');
const silent: Answer = () => {};
const LONG_BYTES = 8 * 1024 * 1024;

/** Slot 1 answers as told, and may end; slot 2 stands in. Nothing here ends by the response timeout. */
async function withTwo(
  answer: Answer,
  body: (torc: TestProxy, ending: Origin, other: Origin) => Promise<void>,
): Promise<void> {
  const [ending, other] = [await rawOrigin(answer), await rawOrigin(plain('other'))];
  const torc = await startProxy([ending.port, other.port], { RESPONSE_TIMEOUT_MS: '600000' });
  try {
    await body(torc, ending, other);
  } finally {
    await torc.close();
    await Promise.all([ending.close(), other.close()]);
  }
}

let epoch = 1;
/** Slot 1 has another replica from now on; the old one hangs, or has ended. */
function replace(torc: TestProxy, other: Origin, fate: { lost?: string[]; gone?: string[] }): void {
  torc.snapshots.apply(snapshotOf(++epoch, [other.port, other.port], { generation: 1, ...fate }));
}

const old = ['replica-1-0'];
const post = (target: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: torc.test\r\nContent-Length: 4\r\n\r\nonce`;
const requestsAt = (origin: Origin, count: number): Promise<void> =>
  waitFor(() => origin.requests.length === count, { timeoutMs: 10_000, what: `${count} requests` });

upstream(
  'a POST waits while its replica hangs, and is answered 502 and sent nowhere else once it is gone',
  () =>
    withTwo(silent, async (torc, ending, other) => {
      const [reader, writer] = [await rawClient(torc.port), await rawClient(torc.port)];
      reader.send(get('/a'));
      writer.send(post('/b'));
      await requestsAt(ending, 2);
      replace(torc, other, { lost: old });
      assert.is((await reader.answer()).body, 'other');
      assert.is(writer.received, '');
      replace(torc, other, { lost: old, gone: old });
      assert.is((await writer.answer()).status, 502);
      assert.equal(
        other.requests.map(({ target }) => target),
        ['/a'],
      );
      reader.close();
      writer.close();
    }),
);

upstream('an answer that is on its way when its replica ends arrives whole', () =>
  withTwo(silent, async (torc, ending, other) => {
    const writer = await rawClient(torc.port);
    writer.send(post('/long'));
    await requestsAt(ending, 1);
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${LONG_BYTES}\r\n\r\n`;
    bytes(head + 'x'.repeat(LONG_BYTES), { end: true })(ending.requests[0]!, [...ending.sockets][0]!);
    replace(torc, other, { lost: old, gone: old });
    await waitFor(() => writer.received.length > LONG_BYTES, { timeoutMs: 30_000, what: 'the long answer' });
    assert.match(writer.received, /^HTTP\/1\.1 200 /);
    writer.close();
  }),
);

upstream('an answer and a tunnel that stop half-way with their replica end there', () =>
  withTwo(silent, async (torc, ending, other) => {
    const [reader, caller] = [await rawClient(torc.port), await rawClient(torc.port)];
    ending.answer = bytes('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    reader.send(get('/half'));
    await reader.has('half');
    ending.answer = bytes('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    caller.send(get('/echo', ['Connection: Upgrade', 'Upgrade: echo']));
    await caller.has('101 Switching');
    replace(torc, other, { lost: old, gone: old });
    await Promise.all([reader.gone(), caller.gone()]);
    let isDrained = false;
    torc.snapshots.drained(old[0]!, () => {
      isDrained = true;
    });
    await waitFor(() => isDrained, { timeoutMs: 10_000, what: 'nothing in flight' });
  }),
);

upstream.run();
