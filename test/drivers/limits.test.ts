// What of a service cannot be had, from torc or from the engine: every fault at once, by the service's own words.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limitsOf } from '../../src/drivers/docker/limits.ts';
import { serviceKeys } from '../../src/service/keys.ts';
import type { ComposeService, ServiceProject } from '../../src/service/service.ts';

const limits = (service: Partial<ComposeService>, apiVersion = '1.41', rest: Partial<ServiceProject> = {}) =>
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
    apiVersion,
  );

const test = suite('limits');

test('an ordinary service has none', () => {
  assert.equal(limits({ image: 'x', networks: { lan: null }, cap_add: ['CHOWN'] }), {
    faults: [],
    notes: [],
  });
});

for (const [service, fault] of [
  [{ networks: { wan: null } }, /networks\.wan: the file defines no such network/],
  [{ networks: { lan: { gw_priority: 1 } } }, /gw_priority needs Docker Engine 28/],
  [
    { volumes: [{ type: 'volume', target: '/d', volume: { subpath: 'a' } }] },
    /\/d: subpath needs Docker Engine 26/,
  ],
  [{ volumes: [{ type: 'image', target: '/i' }] }, /\/i: type image needs Docker Engine 28/],
] as [Partial<ComposeService>, RegExp][]) {
  test(String(fault), () => assert.match(limits(service).faults.join('\n'), fault));
}

test('what a newer engine can have', () => {
  const volumes: ComposeService['volumes'] = [{ type: 'volume', target: '/d', volume: { subpath: 'a' } }];
  assert.equal(limits({ volumes }, '1.45').faults, []);
});

test('a read-only container takes no contents', () => {
  const secrets = { token: { name: 'shop_token', environment: 'TOKEN', content: 's3cret' } };
  const { faults } = limits({ read_only: true, secrets: [{ source: 'token' }] }, '1.41', { secrets });
  assert.match(faults[0]!, /\/run\/secrets\/token: a read-only container/);
  assert.not.match(faults[0]!, /s3cret/);
});

test("external secrets and configs are a swarm's", () => {
  const secrets = { token: { name: 'token', external: true } };
  const { faults } = limits({ secrets: [{ source: 'token' }] }, '1.41', { secrets });
  assert.equal(faults, [
    "service web: secrets.token: external ones are a swarm's; allowed: file, environment, or TORC_SERVICE",
  ]);
});

test('every fault at once', () => {
  const networks = { wan: { gw_priority: 1, interface_name: 'eth7' } };
  assert.is(limits({ networks }).faults.length, 3);
});

test('what is not used is named', () => {
  const { notes } = limits({
    image: 'app:1',
    pull_policy: 'always',
    deploy: { resources: { reservations: { cpus: 1 } } },
  });
  assert.match(notes[0]!, /pull_policy: always: torc pulls nothing; before it: docker pull app:1/);
  assert.match(notes[1]!, /reservations: cpus .* for Swarm/);
  assert.equal(limits({ pull_policy: 'missing' }).notes, []);
});

test('no key of a service is passed over: the driver reads it, or it is judged with the file', () => {
  const read = (path: string): string =>
    readFileSync(join(import.meta.dirname, '..', '..', 'src', path), 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/\/\/.*$/gm, '');
  const texts = [
    ...['creation', 'resources', 'mounts', 'endpoints', 'limits', 'ports'].map(
      name => `drivers/docker/${name}.ts`,
    ),
    'service/taken.ts',
    'service/load.ts',
  ].map(read);
  const nowhere = Object.keys(serviceKeys).filter(
    key => !texts.some(text => new RegExp(`\\b${key}\\b`).test(text)),
  );
  assert.equal(nowhere, []);
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
  assert.is(limits({ healthcheck: { start_interval: '1s' } }, '1.45').notes.length, 0);
});

test.run();
