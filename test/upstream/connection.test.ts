// What a connection says of an attempt that failed: were bytes sent? A POST may be tried elsewhere only if none were.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/core/clock.ts';
import type { Attempt } from '../../src/upstream/attempt.ts';
import { Connection } from '../../src/upstream/connection.ts';
import { NO_BODY } from '../../src/upstream/response-head.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { waitFor } from '../support/wait.ts';

const connection = suite('connection');

interface Told {
  ended: boolean;
  /** code, sent, stale */
  fault: [string, boolean, boolean] | null;
}

/** A POST without a body, and what it was told. */
function attempt(told: Told): Attempt {
  const ignore = (): void => {};
  return {
    path: '/',
    method: 'POST',
    head: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
    isHead: false,
    framing: NO_BODY,
    wantsUpgrade: false,
    repeatable: false,
    mayPipeline: false,
    freshOnly: false,
    cancelled: false,
    onConnection: ignore,
    onSent: ignore,
    onPause: ignore,
    onWritable: ignore,
    onUpgraded: ignore,
    onMoved: ignore,
    onInformation: ignore,
    onHead: ignore,
    onText: ignore,
    onBody: ignore,
    onEnd: () => {
      told.ended = true;
    },
    onFault: (code, _detail, sent, stale) => {
      told.fault = [code, sent, stale];
    },
  };
}

/** A connection that has served one request and is idle. */
async function idleConnection(origin: Origin): Promise<Connection> {
  const url = new URL(`http://127.0.0.1:${origin.port}`);
  const idle = new Connection(url, { host: '127.0.0.1', port: origin.port, tls: null }, systemClock, {
    unqueued: () => {},
    freed: () => {},
    distrust: () => {},
    broken: () => {},
  });
  const told: Told = { ended: false, fault: null };
  const first = attempt(told);
  idle.take(first);
  await waitFor(() => told.ended, { timeoutMs: 20_000, what: 'the first answer' });
  await new Promise(resolve => setImmediate(resolve));
  return idle;
}

connection('reset while it was idle, seen only by the write: nothing was sent', async () => {
  const origin = await rawOrigin(plain('ok'));
  const idle = await idleConnection(origin);
  // The kernel knows of the reset at once, this event loop has not heard of it yet.
  for (const socket of origin.sockets) socket.resetAndDestroy();
  const told: Told = { ended: false, fault: null };
  const second = attempt(told);
  idle.take(second);
  await waitFor(() => told.fault !== null, { timeoutMs: 20_000, what: 'the fault' });
  assert.equal(told.fault, ['RESET', false, true]);
  await idle.close();
  await origin.close();
});

connection('it ends, or speaks unasked, in the turn in which it is taken: nothing was sent', async () => {
  for (const [happens, code] of [
    [(taken: Connection): void => taken.ended(), 'RESET'],
    [
      (taken: Connection): void =>
        taken.received(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
      'BAD_RESPONSE',
    ],
  ] as const) {
    const origin = await rawOrigin(plain('ok'));
    const idle = await idleConnection(origin);
    const told: Told = { ended: false, fault: null };
    assert.is(idle.take(attempt(told)), true, 'it leaves when the turn is over');
    happens(idle);
    assert.equal([told.fault?.[0], told.fault?.[1], told.ended], [code, false, false]);
    await waitFor(() => origin.sockets.size === 0, {
      timeoutMs: 20_000,
      what: 'the end of the connection',
    });
    assert.is(origin.requests.length, 1, 'the first one only');
    await idle.close();
    await origin.close();
  }
});

connection('reset after the request arrived: it was sent', async () => {
  const origin = await rawOrigin(plain('ok'));
  const idle = await idleConnection(origin);
  origin.answer = (_request, socket) => void socket.resetAndDestroy();
  const told: Told = { ended: false, fault: null };
  const second = attempt(told);
  idle.take(second);
  await waitFor(() => told.fault !== null, { timeoutMs: 20_000, what: 'the fault' });
  assert.equal(told.fault, ['RESET', true, true]);
  await idle.close();
  await origin.close();
});

connection.run();
