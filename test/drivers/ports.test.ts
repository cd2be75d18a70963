// On which port a replica listens: the setting, else the first of service and image that names exactly one.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { portOf, portsIn } from '../../src/drivers/docker/ports.ts';
import type { ComposeService } from '../../src/service/service.ts';

const service = (words: Partial<ComposeService>): ComposeService => ({
  command: null,
  entrypoint: null,
  ...words,
});
const image = (...exposed: string[]) => ({ name: 'app', exposed });

const test = suite('ports');

for (const [what, configured, words, exposed, port] of [
  ['the setting before all', 7000, { ports: [{ target: 80 }] }, ['90/tcp'], 7000],
  [
    "the service's ports",
    null,
    { ports: [{ target: 80, published: '8080' }], expose: ['1'] },
    ['90/tcp'],
    80,
  ],
  ["the service's expose", null, { expose: ['3000'] }, ['90/tcp'], 3000],
  ['PORT of its environment', null, { environment: { PORT: '3001' } }, ['90/tcp'], 3001],
  ['a PORT that is none is passed over', null, { environment: { PORT: 'http' } }, ['90/tcp'], 90],
  ['EXPOSE', null, {}, ['90/tcp', '53/udp'], 90],
  ['one port twice is one', null, { ports: [{ target: 80 }, { target: 80, protocol: 'tcp' }] }, [], 80],
  ['udp alone is none', null, { ports: [{ target: 53, protocol: 'udp' }] }, [], 5000],
  ['nothing said', null, {}, [], 5000],
] as [string, number | null, Partial<ComposeService>, string[], number][]) {
  test(what, () => assert.is(portOf(configured, service(words), image(...exposed)).port, port));
}

test('several are a fault that lists them and says what to set', () => {
  const found = portOf(null, null, image('80/tcp', '443/tcp'));
  assert.equal(found, {
    port: null,
    fault:
      'which port answers requests? EXPOSE of the image app names 80, 443: set TORC_REPLICA_PORT=80, or another of them',
  });
  assert.is(portOf(443, null, image('80/tcp', '443/tcp')).port, 443);
});

test('ranges are counted out', () => {
  assert.equal(portsIn('4000-4002'), ['4000/tcp', '4001/tcp', '4002/tcp']);
  assert.equal(portsIn('53/udp'), ['53/udp']);
  assert.equal(portsIn('nonsense'), []);
});

test.run();
