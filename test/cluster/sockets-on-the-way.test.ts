// Listening sockets go to another torc whole or not at all, and whoever waits in one is served there.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bindTo, type Handle } from '../../src/cluster/sockets.ts';
import { offerSockets, takeSockets } from '../../src/cluster/sockets-on-the-way.ts';
import { systemClock } from '../../src/core/clock.ts';

const WAIT_MS = 10_000;
const SHORT_MS = 200;

const test = suite('sockets on the way');
const dir = mkdtempSync(join(tmpdir(), 'torc-way-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

const rejected = (path: string, waitMs: number, why: RegExp): Promise<void> =>
  takeSockets(path, systemClock, waitMs).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, why),
  );

test('all of them, as often as somebody asks; who has connected before the first owner closes is served by the second', async () => {
  const path = join(dir, 'offered');
  const handles = [await bindTo('127.0.0.1', 0), await bindTo(join(dir, 'public'), 0)];
  const servers = handles.map(handle => createServer().listen(handle));
  await Promise.all(servers.map(server => once(server, 'listening')));
  const offer = offerSockets(path, () => [
    { place: 'first', handle: handles[0]! },
    { place: '/second', handle: handles[1]! },
  ]);
  for (const { handle } of await takeSockets(path, systemClock, WAIT_MS)) (handle as Handle).close();
  const taken = await takeSockets(path, systemClock, WAIT_MS);
  assert.equal(
    taken.map(({ place }) => place),
    ['first', '/second'],
  );
  const { port } = servers[0]!.address() as { port: number };
  for (const server of [...servers, offer]) server.close();
  await once(offer, 'close');
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  const served = createServer(socket => socket.end('served')).listen(taken[0]!.handle);
  const [text] = (await once(client, 'data')) as [Buffer];
  assert.is(text.toString(), 'served');
  served.close();
  (taken[1]!.handle as Handle).close();
});

test('one who offers a moment later is waited for, and one who does not is not', async () => {
  const path = join(dir, 'late');
  await rejected(path, SHORT_MS, /nobody offers anything/);
  const taken = takeSockets(path, systemClock, WAIT_MS);
  const offer = offerSockets(path, () => []);
  assert.equal(await taken, []);
  offer.close();
});

test('one who says nothing, or less than was announced, gives nothing', async () => {
  for (const [name, waitMs, say, why] of [
    ['silent', SHORT_MS, () => {}, /no answer/],
    ['half', WAIT_MS, socket => socket.end('2\nfirst\n'), /not all came/],
  ] as [string, number, (socket: Socket) => void, RegExp][]) {
    const path = join(dir, name);
    const server = createServer(say).listen(path);
    await once(server, 'listening');
    await rejected(path, waitMs, why);
    server.close();
  }
});

test.run();
