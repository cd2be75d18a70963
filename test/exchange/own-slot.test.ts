// Waiting for the key's own slot: in order, no longer than told, with the slot's end, the client's and the bound on all that wait;
// and the settings around it. In the hand-made snapshot slot 1 owns every key; under a factor of 1.05 it is full with two requests
// while slot 2 has none.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WarmUp } from '../../src/core/types.ts';
import { type Answer, type Origin, plain, rawOrigin } from '../support/origin.ts';
import { snapshotOf, startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, type RawClient, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('own slot');
const LONG = '60000';

interface Bench {
  readonly torc: TestProxy;
  readonly origins: readonly Origin[];
  /** Of each replica: what it has and has not answered, in the order in which it came. */
  readonly held: { readonly path: string; readonly answer: () => void }[][];
  send(path: string): Promise<RawClient>;
  /** Sends them one by one until so many are with each of the replicas. */
  fill(...counts: readonly number[]): Promise<void>;
}

async function withSlots(
  settings: Record<string, string>,
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const held: Bench['held'] = [[], []];
  const holds =
    (index: number): Answer =>
    (request, socket) =>
      void held[index]!.push({ path: request.target, answer: () => plain(`${index + 1}`)(request, socket) });
  const origins = [await rawOrigin(holds(0)), await rawOrigin(holds(1))];
  const torc = await startProxy(
    origins.map(({ port }) => port),
    { BALANCE_FACTOR: '1.05', ...settings },
  );
  const clients: RawClient[] = [];
  const bench: Bench = {
    torc,
    origins,
    held,
    async send(path) {
      const client = await rawClient(torc.port);
      clients.push(client);
      client.send(get(path));
      return client;
    },
    async fill(...counts) {
      for (let sent = 0; held.some((list, index) => list.length < counts[index]!); sent++) {
        assert.ok(sent < 20, `${held.map(({ length }) => length)} are not ${counts}`);
        const before = held.flat().length;
        await bench.send(`/fill-${sent}`);
        await waitFor(() => held.flat().length > before, { timeoutMs: 20_000, what: 'it is with a replica' });
      }
    },
  };
  try {
    await run(bench);
  } finally {
    for (const { answer } of held.flat()) answer();
    for (const client of clients) client.close();
    await torc.close();
    for (const origin of origins) await origin.close();
  }
}

const waits = ({ torc }: Bench, count: number): Promise<void> =>
  waitFor(() => torc.counters.ownSlotWaits === count, { timeoutMs: 20_000, what: `${count} waited` });

test('first come, first served by their own slot, as soon as it has room', async () => {
  await withSlots({ BALANCE_WAIT_MS: LONG }, async bench => {
    const { held } = bench;
    await bench.fill(2, 0);
    const clients = [];
    for (const path of ['/a', '/b', '/c']) {
      clients.push(await bench.send(path));
      await waits(bench, clients.length);
    }
    assert.equal([held[0]!.length, held[1]!.length], [2, 0], 'nobody was lent');
    for (const path of ['/a', '/b', '/c']) {
      held[0]!.shift()!.answer();
      await waitFor(() => held[0]!.length === 2, { timeoutMs: 20_000, what: 'the next one' });
      assert.is(held[0]![1]!.path, path);
    }
    for (const { answer } of held[0]!.splice(0)) answer();
    for (const client of clients) assert.is(fieldOf(await client.answer(), 'x-served-by'), '1');
    assert.is(bench.torc.counters.lent, 0);
  });
});

test('its time is over: another slot serves it, and it is counted', async () => {
  await withSlots({ BALANCE_WAIT_MS: '50' }, async bench => {
    await bench.fill(2, 0);
    const client = await bench.send('/a');
    await waitFor(() => bench.held[1]!.length === 1, { timeoutMs: 20_000, what: 'it was lent' });
    bench.held[1]!.shift()!.answer();
    assert.is(fieldOf(await client.answer(), 'x-served-by'), '2');
    assert.equal([bench.torc.counters.ownSlotWaits, bench.torc.counters.lent], [1, 1]);
  });
});

test('a client that leaves takes its request along, and the next one moves up', async () => {
  await withSlots({ BALANCE_WAIT_MS: LONG }, async bench => {
    await bench.fill(2, 0);
    const first = await bench.send('/a');
    await waits(bench, 1);
    await bench.send('/b');
    await waits(bench, 2);
    first.close();
    await waitFor(() => bench.torc.counters.collect().errors.some(({ code }) => code === 'CLIENT_GONE'), {
      timeoutMs: 20_000,
      what: 'it is noticed',
    });
    bench.held[0]!.shift()!.answer();
    await waitFor(() => bench.held[0]!.length === 2, { timeoutMs: 20_000, what: 'the next one' });
    assert.is(bench.held[0]![1]!.path, '/b');
    assert.is(bench.held[1]!.length, 0);
  });
});

test('its slot goes out while it waits: whoever is next serves it', async () => {
  await withSlots({ BALANCE_WAIT_MS: LONG }, async bench => {
    const ports = bench.origins.map(({ port }) => port);
    await bench.fill(2, 0);
    const client = await bench.send('/a');
    await waits(bench, 1);
    bench.torc.snapshots.apply(snapshotOf(2, ports, { states: ['suspect', 'ready'] }));
    bench.held[0]!.shift()!.answer();
    await waitFor(() => bench.held[1]!.length === 1, { timeoutMs: 20_000, what: 'the other one has it' });
    bench.held[1]!.shift()!.answer();
    assert.is(fieldOf(await client.answer(), 'x-served-by'), '2');
  });
});

test('no more wait than TORC_MAX_QUEUE says: the next is lent at once', async () => {
  await withSlots({ BALANCE_WAIT_MS: LONG, MAX_QUEUE: '1' }, async bench => {
    await bench.fill(2, 0);
    await bench.send('/a');
    await waits(bench, 1);
    await bench.send('/b');
    await waitFor(() => bench.held[1]!.length === 1, { timeoutMs: 20_000, what: 'it was lent' });
    assert.is(bench.held[1]![0]!.path, '/b');
  });
});

test('off: it is lent at once; sticky: and again, although its own has room', async () => {
  await withSlots({ LENT_STICKY_MS: LONG }, async bench => {
    const { held } = bench;
    await bench.fill(2, 0);
    const served = async (path: string, by: number): Promise<void> => {
      const client = await bench.send(path);
      await waitFor(() => held[by - 1]!.at(-1)?.path === path, {
        timeoutMs: 20_000,
        what: `${path} is with ${by}`,
      });
      held[by - 1]!.pop()!.answer();
      await client.answer();
    };
    await served('/a', 2);
    for (const { answer } of held[0]!.splice(0)) answer();
    const isIdle = () => bench.torc.counters.collect().slots.every(({ inFlight }) => inFlight === 0);
    await waitFor(isIdle, { timeoutMs: 20_000, what: 'both are idle' });
    await served('/a', 2);
    await served('/b', 1);
    assert.is(bench.torc.counters.ownSlotWaits, 0);
  });
});

test('slow start: a slot that warms up has nothing at first, then all, and the snapshot is as before', async () => {
  const origins = [await rawOrigin(plain('1')), await rawOrigin(plain('2'))];
  const ports = origins.map(({ port }) => port);
  const torc = await startProxy(ports);
  try {
    const warmUp: WarmUp = { fromMs: Date.now(), untilMs: Date.now() + 60_000, keys: 'all' };
    const next = snapshotOf(2, ports);
    const [first, second] = next.upstreams;
    torc.snapshots.apply({ ...next, upstreams: [{ ...first!, warmUp }, second!] });
    assert.is((await ask(torc.port, get('/a'))).body, '2');
    const over: WarmUp = { fromMs: Date.now() - 10_000, untilMs: Date.now() + 20, keys: 'all' };
    torc.snapshots.apply({
      ...next,
      epoch: 3,
      choices: null,
      upstreams: [{ ...first!, warmUp: over }, second!],
    });
    await waitFor(() => torc.snapshots.current.slowStart === null, { timeoutMs: 20_000, what: 'it is warm' });
    assert.is((await ask(torc.port, get('/a'))).body, '1');
  } finally {
    await torc.close();
    for (const origin of origins) await origin.close();
  }
});

test.run();
