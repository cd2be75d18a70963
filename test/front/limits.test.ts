// How many connections a worker takes, in all and from one client: beyond either they are refused, counted, told with their
// number, and taken again once there is room.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/load.ts';
import { silentLog } from '../../src/core/log.ts';
import { ConnectionLimits, clientOf } from '../../src/front/limits.ts';
import { emptyTally, REFUSALS } from '../../src/routing/tally.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const limits = suite('limits');
let origin: Origin;
limits.before(async () => {
  origin = await rawOrigin(plain('x'));
});
limits.after(() => origin.close());

for (const [setting, reason] of [
  ['MAX_CONNECTIONS', 'total'],
  ['MAX_CONNECTIONS_PER_CLIENT', 'client'],
] as const) {
  limits(
    `TORC_${setting}: beyond it refused, counted and told; served again once there is room`,
    async () => {
      const torc = await startProxy([origin.port], { [setting]: '3' });
      const clients: RawClient[] = [];
      const served = async (): Promise<RawClient> => {
        const client = await rawClient(torc.port);
        clients.push(client);
        client.send(get('/'));
        assert.is((await client.answer()).status, 200);
        return client;
      };
      try {
        for (let index = 0; index < 3; index++) await served();
        for (let index = 0; index < 4; index++) {
          const refused = await rawClient(torc.port);
          clients.push(refused);
          await refused.gone();
          assert.is(refused.received, '');
        }
        assert.is(torc.counters.collect().refused[reason], 4);
        const told = (): number =>
          torc.lines.reduce((sum, { fields }) => sum + ((fields.refused as number | undefined) ?? 0), 0);
        clients[0]!.close();
        // The close has to reach torc first.
        await waitFor(
          async () => {
            const client = await rawClient(torc.port);
            clients.push(client);
            client.send(get('/'));
            return client.answer().then(
              () => true,
              () => false,
            );
          },
          { timeoutMs: 20_000, what: 'room for one more' },
        );
        await torc.close();
        // One line at once, and the rest at the end: a minute has not gone by.
        assert.is(told(), 4 + torc.counters.collect().refused[reason]);
        assert.ok(torc.lines.filter(({ fields }) => 'refused' in fields).length <= 2);
      } finally {
        for (const client of clients) client.close();
        await torc.close();
      }
    },
  );
}

limits('peers that are trusted speak for many clients and are not counted', async () => {
  const torc = await startProxy([origin.port], {
    MAX_CONNECTIONS_PER_CLIENT: '1',
    TRUSTED_PROXIES: '127.0.0.0/8',
  });
  const clients = [await rawClient(torc.port), await rawClient(torc.port)];
  for (const client of clients) {
    client.send(get('/'));
    assert.is((await client.answer()).status, 200);
    client.close();
  }
  await torc.close();
});

limits('a connection that is read a second time counts once', async () => {
  const torc = await startProxy([origin.port], { MAX_CONNECTIONS_PER_CLIENT: '1' });
  const client = await rawClient(torc.port);
  for (let index = 0; index < 3; index++) {
    client.send('FROB / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.is((await client.answer()).status, 200);
  }
  client.close();
  await torc.close();
});

limits('one client: an IPv4 address, a /64 of IPv6; who has left leaves nothing', () => {
  assert.is(clientOf('192.0.2.1'), '192.0.2.1');
  assert.is(clientOf('2001:db8:1:2:3::4'), clientOf('2001:db8:1:2::'));
  assert.is.not(clientOf('2001:db8:1:3::'), clientOf('2001:db8:1:2::'));
  const loaded = loadConfig({ TORC_MAX_CONNECTIONS_PER_CLIENT: '2' }, []);
  if (loaded.kind !== 'config') throw new Error('config');
  const bounded = new ConnectionLimits(loaded.config, emptyTally(REFUSALS), silentLog);
  assert.equal(
    ['a', 'a', 'a', 'b'].map(client => bounded.enterClient(client)),
    [true, true, false, true],
  );
  bounded.leave('a');
  assert.ok(bounded.enterClient('a'));
});

limits.run();
