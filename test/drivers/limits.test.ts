// What of a service cannot be had, from torc or from the engine: every fault at once, by the service's own words.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limitsOf, type Surroundings } from '../../src/drivers/docker/limits.ts';
import type { ComposeService, ServiceProject } from '../../src/service/service.ts';

const old: Surroundings = { apiVersion: '1.41', most: 3, spares: 0 };

const limits = (
  service: Partial<ComposeService>,
  surroundings: Partial<Surroundings> = {},
  rest: Partial<ServiceProject> = {},
) =>
  limitsOf(
    {
      name: 'shop',
      serviceName: 'web',
      networks: { lan: { name: 'shop_lan' } },
      volumes: {},
      secrets: {},
      configs: {},
      ...rest,
      service: { command: null, entrypoint: null, ...service },
    },
    { ...old, ...surroundings },
  );

const test = suite('limits');

test('an ordinary service has none', () => {
  assert.equal(limits({ image: 'x', networks: { lan: null }, cap_add: ['CHOWN'] }), {
    faults: [],
    notes: [],
  });
});

for (const [service, fault] of [
  [{ network_mode: 'host' }, /service web: network_mode: host .*leave it out/],
  [{ network_mode: 'none' }, /network_mode: none/],
  [{ network_mode: 'service:db' }, /network_mode: service:db/],
  [
    { networks: { lan: { ipv4_address: '10.0.0.2' } } },
    /networks\.lan\.ipv4_address: 3 replicas .*TORC_REPLICAS=1/,
  ],
  [{ mac_address: '02:00:00:00:00:01' }, /mac_address: 3 replicas/],
  [{ networks: { wan: null } }, /networks\.wan: the file defines no such network/],
  [{ networks: { lan: { gw_priority: 1 } } }, /gw_priority needs Docker Engine 28/],
  [
    { volumes: [{ type: 'volume', target: '/d', volume: { subpath: 'a' } }] },
    /\/d: subpath needs Docker Engine 26/,
  ],
  [{ volumes: [{ type: 'image', target: '/i' }] }, /\/i: type image needs Docker Engine 28/],
  [{ pid: 'service:db' }, /pid: service:db .*container:NAME/],
] as [Partial<ComposeService>, RegExp][]) {
  test(String(fault), () => assert.match(limits(service).faults.join('\n'), fault));
}

test('what one replica alone, or a newer engine, can have', () => {
  assert.equal(limits({ mac_address: '02:00:00:00:00:01' }, { most: 1 }).faults, []);
  const volumes: ComposeService['volumes'] = [{ type: 'volume', target: '/d', volume: { subpath: 'a' } }];
  assert.equal(limits({ volumes }, { apiVersion: '1.45' }).faults, []);
});

test('data of its own for each slot, and spares that would keep theirs', () => {
  const volumes: ComposeService['volumes'] = [{ type: 'bind', source: '/srv/{{slot}}', target: '/d' }];
  assert.equal(limits({ volumes }).faults, []);
  assert.match(limits({ volumes }, { spares: 1 }).faults[0]!, /set TORC_SPARES=0/);
});

test('a read-only container takes no contents', () => {
  const secrets = { token: { name: 'shop_token', environment: 'TOKEN', content: 's3cret' } };
  const { faults } = limits({ read_only: true, secrets: [{ source: 'token' }] }, {}, { secrets });
  assert.match(faults[0]!, /\/run\/secrets\/token: a read-only container/);
  assert.not.match(faults[0]!, /s3cret/);
});

test('every fault at once', () => {
  assert.is(limits({ network_mode: 'host', pid: 'service:a', ipc: 'service:a' }).faults.length, 3);
});

test('what is said aloud', () => {
  const { faults, notes } = limits({
    privileged: true,
    healthcheck: { start_interval: '1s' },
    annotations: { a: 'b' },
  });
  assert.equal(faults, []);
  assert.match(notes[0]!, /privileged: each replica may do everything/);
  assert.match(notes[1]!, /start_interval needs Docker Engine 25/);
  assert.match(notes[2]!, /annotations need Docker Engine 24/);
  assert.is(limits({ healthcheck: { start_interval: '1s' } }, { apiVersion: '1.45' }).notes.length, 0);
});

test.run();
