// The way from settings to routing of a ring that places keys as another balancer does: given upstreams with weights and ids, and
// each key at the server where that balancer has it, also while one is down. That those places are the other program's
// own is ring/peers.test.ts's to show.

import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keysOf } from '../../native-free-bench/placement/keys.ts';
import type { Server } from '../../native-free-bench/placement/peers.ts';
import { placesByTorc } from '../../native-free-bench/placement.ts';
import { slotsOf } from '../support/healing.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('e2e/placement');
const KEYS = keysOf('uuids', 300);

const origins: HttpServer[] = [];
for (let index = 0; index < 3; index++) {
  const server = createServer((_request, response) => response.end(String(index)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origins.push(server);
}
const servers: Server[] = origins.map((origin, index) => ({
  address: `127.0.0.1:${(origin.address() as AddressInfo).port}`,
  weight: index + 1,
  isDown: false,
  id: 30 - 10 * index,
}));

async function servedBy(torc: Torc): Promise<number[]> {
  const served: number[] = [];
  for (const key of KEYS) served.push(Number((await torc.get('/', { 'x-key': key })).text));
  return served;
}

test('haproxy: by weights and ids, with one down, and as explained', async () => {
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_RING: 'haproxy',
    TORC_KEY: 'header:x-key',
    TORC_UPSTREAMS: servers.map(({ address, weight, id }) => `${address};weight=${weight};id=${id}`).join(),
    TORC_HEARTBEAT_INTERVAL_MS: '100',
  });
  try {
    assert.equal(await servedBy(torc), placesByTorc('haproxy', servers, KEYS));
    const rendezvous = JSON.parse((await torc.get('/admin/whatif?ring=rendezvous')).text) as {
      moved: number;
    };
    assert.ok(rendezvous.moved > 0.4 && rendezvous.moved < 0.9, String(rendezvous.moved));
    origins[1]!.close();
    origins[1]!.closeAllConnections();
    const downName = servers[1]!.address;
    await waitFor(
      async () => (await slotsOf(torc)).some(({ name, state }) => name === downName && state !== 'ready'),
      { timeoutMs: 30_000, what: 'the closed one is out' },
    );
    const left = servers.map((server, index) => ({ ...server, isDown: index === 1 }));
    assert.equal(await servedBy(torc), placesByTorc('haproxy', left, KEYS));
    const key = KEYS[placesByTorc('haproxy', servers, KEYS).indexOf(1)]!;
    const explained = JSON.parse((await torc.get(`/admin/explain?key=${key}`)).text) as {
      servedBy: string;
      choices: { slot: string }[];
    };
    assert.is(explained.servedBy, servers[placesByTorc('haproxy', left, [key])[0]!]!.address);
    assert.equal(
      explained.choices.slice(0, 2).map(({ slot }) => slot),
      [downName, explained.servedBy],
    );
  } finally {
    await torc.close();
  }
});

test.after(() => {
  for (const origin of origins) origin.close();
});

test.run();
