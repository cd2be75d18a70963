// What still waits at a replica that has ended: nobody may close its connections, so torc does, after what it had sent. What
// a worker can tell of its life, and of failures in a row.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/core/clock.ts';
import type { ProxyErrorCode } from '../../src/core/errors.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
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

upstream('every byte of a replica is a sign of its life: answers whole or not, and tunnels', () =>
  withTwo(silent, async (torc, ending) => {
    const signs = () => torc.snapshots.signs(old[0]!);
    const grows = async (what: string, act: () => void): Promise<void> => {
      const before = signs().reads;
      act();
      await waitFor(() => signs().reads > before, { timeoutMs: 10_000, what });
    };
    assert.equal(signs(), { reads: 0, answers: 0 });
    const client = await rawClient(torc.port);
    ending.answer = plain('whole');
    await grows('an answer', () => client.send(get('/')));
    await waitFor(() => signs().answers === 1, { timeoutMs: 10_000, what: 'a whole one' });
    ending.answer = bytes('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    await grows('half of one', () => client.send(get('/half')));
    assert.is(signs().answers, 1);
    const caller = await rawClient(torc.port);
    ending.answer = bytes('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    await grows('a tunnel', () => caller.send(get('/echo', ['Connection: Upgrade', 'Upgrade: echo'])));
    const { reads } = signs();
    caller.close();
    client.close();
    assert.ok(signs().reads >= reads);
    assert.equal(torc.snapshots.signs('nobody'), { reads: 0, answers: 0 });
  }),
);

upstream('failures in a row are those without an answer between them; slow ones count half', () => {
  let nowMs = 0;
  const spec = {
    slotId: 0,
    slot: '1',
    generation: 1,
    replicaId: 'a',
    host: '127.0.0.1',
    port: 1,
    state: 'ready' as const,
  };
  const one = new Upstream(
    spec,
    {
      maxConnectionsPerReplica: 1,
      maxQueue: 1,
      pipelining: 'off',
      replicaProtocol: 'http1',
      connectTimeoutMs: 1000,
    },
    systemClock,
  );
  const inRow = (code: ProxyErrorCode): number | undefined => {
    nowMs += 1_000;
    return one.suspect(code, '', nowMs)?.inRow;
  };
  assert.equal([inRow('RESPONSE_TIMEOUT'), inRow('RESPONSE_TIMEOUT'), inRow('REFUSED')], [0.5, 1, 2]);
  one.took(1, nowMs);
  assert.is(inRow('RESET'), 1);
  assert.is(one.suspect('RESET', '', nowMs), null, 'at most one a second');
  assert.is(inRow('BAD_RESPONSE'), 3, 'which are counted all the same');
});

upstream.run();
