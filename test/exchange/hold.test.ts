// TORC_HOLD_MS: while no replica is ready, or none takes it, a request waits instead of failing; how long, how many, and which
// must not.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, snapshotOf, startProxy } from '../support/proxy.ts';
import { ask, get, type RawClient, rawClient } from '../support/raw.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const hold = suite('hold');

type Torc = Awaited<ReturnType<typeof startProxy>>;

/** A proxy whose one replica is not ready, and that replica's port. */
async function withNobody(
  settings: Record<string, string>,
  run: (torc: Torc, port: number) => Promise<void>,
): Promise<void> {
  const origin = await rawOrigin(plain('at last'));
  const torc = await startProxy([origin.port], settings);
  torc.snapshots.apply(snapshotOf(2, [origin.port], { states: ['suspect'] }));
  try {
    await run(torc, origin.port);
  } finally {
    await torc.close();
    await origin.close();
  }
}

const POST = 'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody';
const PATIENT = { HOLD_MS: '60000' };

/** Sends a request and resolves when torc has read it: what comes after it on another connection was answered. */
async function sent(torc: Torc, request: string): Promise<RawClient> {
  const client = await rawClient(torc.port);
  client.send(request);
  await ask(torc.port, get('/rep'));
  assert.is(client.received, '', 'it waits');
  return client;
}

hold('unset: 503 at once', async () => {
  await withNobody({}, async torc => {
    assert.is((await ask(torc.port, get('/a'))).status, 503);
  });
});

hold('it waits for a replica, whatever its method', async () => {
  await withNobody(PATIENT, async (torc, port) => {
    const clients = [await sent(torc, get('/a')), await sent(torc, POST)];
    torc.snapshots.apply(snapshotOf(3, [port]));
    for (const client of clients) {
      const { status, body } = await client.answer();
      assert.equal([status, body], [200, 'at last']);
      client.close();
    }
    assert.equal(torc.counters.collect(false).errors, []);
  });
});

hold('not where there is no slot: nobody would become ready', async () => {
  await withNobody(PATIENT, async torc => {
    torc.snapshots.apply(snapshotOf(3, []));
    const { status, body } = await ask(torc.port, get('/a'));
    assert.is(status, 503);
    assert.match(body, /no replica is ready; \/admin\/status and the log say why/);
  });
});

hold('but where slots are not known yet', async () => {
  const origin = await rawOrigin(plain('at last'));
  const torc = await startProxy([], PATIENT);
  const client = await sent(torc, get('/a'));
  torc.snapshots.apply(snapshotOf(2, [origin.port]));
  assert.is((await client.answer()).body, 'at last');
  client.close();
  await torc.close();
  await origin.close();
});

hold('not for longer than it may', async () => {
  await withNobody({ HOLD_MS: '300' }, async torc => {
    const startedMs = performance.now();
    assert.is((await ask(torc.port, get('/a'))).status, 503);
    assert.ok(performance.now() - startedMs >= 300);
    assert.is(errorCount(torc.counters.collect(false), 'NO_REPLICA'), 1);
  });
});

hold('also when every replica refuses it', async () => {
  const origin = await rawOrigin(plain('at last'));
  const nobody = [await freePort(), await freePort(), await freePort()];
  const torc = await startProxy(nobody, PATIENT);
  const client = await sent(torc, POST);
  await waitFor(() => torc.hints.length >= 3, { timeoutMs: 10_000, what: 'all to have refused' });
  torc.snapshots.apply(snapshotOf(2, [nobody[0]!, origin.port], { generation: 1 }));
  const { status, body } = await client.answer();
  assert.equal([status, body], [200, 'at last']);
  client.close();
  await torc.close();
  await origin.close();
});

hold('no more than TORC_MAX_QUEUE wait; who leaves makes room', async () => {
  await withNobody({ ...PATIENT, MAX_QUEUE: '1' }, async (torc, port) => {
    const first = await sent(torc, get('/a'));
    assert.is((await ask(torc.port, get('/b'))).status, 503);
    first.close();
    await waitFor(() => errorCount(torc.counters.collect(false), 'CLIENT_GONE') === 1, {
      timeoutMs: 10_000,
      what: 'the first to have left',
    });
    const second = await sent(torc, get('/c'));
    torc.snapshots.apply(snapshotOf(3, [port]));
    assert.is((await second.answer()).status, 200);
    second.close();
  });
});

hold('a POST that had begun is not sent again, however patient torc is', async () => {
  const reset: Answer = (_request, socket) => void socket.resetAndDestroy();
  const origin = await rawOrigin(reset);
  const torc = await startProxy([origin.port], PATIENT);
  assert.is((await ask(torc.port, POST)).status, 502);
  assert.is(origin.requests.length, 1);
  await torc.close();
  await origin.close();
});

hold('a torc that stops does not wait', async () => {
  await withNobody(PATIENT, async torc => {
    const client = await sent(torc, get('/a'));
    const drained = torc.proxy.drain(30_000);
    assert.is((await client.answer()).status, 503);
    await drained;
  });
});

hold.run();
