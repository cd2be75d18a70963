// SIGTERM's side of the data plane: accepting stops, everything accepted is answered, then connections go.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { partingSteps } from '../../src/front/parting.ts';
import { type Answer, plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { fieldOf, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const drain = suite('drain');

const refuses = (port: number): Promise<void> =>
  waitFor(
    () =>
      rawClient(port).then(
        other => {
          other.close();
          return false;
        },
        () => true,
      ),
    { timeoutMs: 2000, what: 'new connections to be refused' },
  );

drain('requests in flight are answered with "connection: close"; new connections are refused', async () => {
  const waiting: (() => void)[] = [];
  const held: Answer = (request, socket) => void waiting.push(() => plain('ok')(request, socket));
  const origin = await rawOrigin(held);
  const torc = await startProxy([origin.port]);
  const client = await rawClient(torc.port);
  client.send(get('/a'));
  await waitFor(() => waiting.length === 1, { timeoutMs: 2000, what: 'the request' });
  const drained = torc.proxy.drain(5000);
  await refuses(torc.port);
  waiting.shift()!();
  const answer = await client.answer();
  assert.is(answer.body, 'ok');
  assert.is(fieldOf(answer, 'connection'), 'close');
  await drained;
  await client.gone();
  await origin.close();
});

drain('a request that was on its way on an idle connection is still served', async () => {
  const origin = await rawOrigin(plain('ok'));
  const torc = await startProxy([origin.port]);
  const client = await rawClient(torc.port);
  client.send(get('/a'));
  await client.answer();
  const drained = torc.proxy.drain(5000);
  client.send(get('/b'));
  assert.is((await client.answer()).body, 'ok');
  await drained;
  await origin.close();
});

drain(
  'and so is one that came while the worker got no CPU for longer than idle connections stay',
  async () => {
    const origin = await rawOrigin(plain('ok'));
    const torc = await startProxy([origin.port]);
    const client = await rawClient(torc.port);
    client.send(get('/a'));
    await client.answer();
    const drained = torc.proxy.drain(5000);
    // It waits by a timer now.
    await refuses(torc.port);
    client.send(get('/b'));
    for (const untilMs = performance.now() + 700; performance.now() < untilMs; );
    assert.is((await client.answer()).body, 'ok');
    await drained;
    await origin.close();
  },
);

drain(
  'idle connections, also those that never asked, do not hold the exit until the grace ends',
  async () => {
    const origin = await rawOrigin(plain('ok'));
    const torc = await startProxy([origin.port]);
    const idle = await rawClient(torc.port);
    const used = await rawClient(torc.port);
    used.send(get('/a'));
    await used.answer();
    const start = performance.now();
    await torc.proxy.drain(20_000);
    assert.ok(performance.now() - start < 5000);
    await idle.gone();
    await used.gone();
    await origin.close();
  },
);

drain('a torc that was replaced sends its clients on little by little', async () => {
  assert.equal(partingSteps(64), [1, 2, 4, 8, 16, 32]);
  assert.equal(partingSteps(1), [1, 1, 1, 1, 1, 1]);
  assert.equal(partingSteps(0), [0, 0, 0, 0, 0, 0]);
  const origin = await rawOrigin(plain('ok'));
  const torc = await startProxy([origin.port]);
  const clients = await Promise.all(Array.from({ length: 32 }, () => rawClient(torc.port)));
  /** All ask at once; how many were told to go. */
  const round = async (): Promise<number> => {
    const here = [...clients];
    for (const client of here) client.send(get('/a'));
    const answers = await Promise.all(here.map(client => client.answer()));
    assert.ok(answers.every(({ body }) => body === 'ok'));
    const told = here.filter((_, index) => fieldOf(answers[index]!, 'connection') === 'close');
    for (const client of told) clients.splice(clients.indexOf(client), 1);
    await Promise.all(told.map(client => client.gone()));
    return told.length;
  };
  assert.is(await round(), 0);
  const drained = torc.proxy.drain(30_000, true);
  const rounds: number[] = [];
  while (clients.length > 0) rounds.push(await round());
  const [first] = rounds.filter(told => told > 0);
  assert.ok(first! < 32, `all were told at once: ${rounds}`);
  await drained;
  await origin.close();
});

drain('a stream that does not end is cut when the grace ends', async () => {
  const origin = await rawOrigin((_request, socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nfor ever'));
  const torc = await startProxy([origin.port]);
  const client = await rawClient(torc.port);
  client.send(get('/a'));
  await client.has('for ever');
  await torc.proxy.drain(100);
  await client.gone();
  assert.not.match(client.received, /\r\n0\r\n\r\n$/);
  await origin.close();
});

drain.run();
