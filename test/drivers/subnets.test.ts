// Which peers are replicas, by what the engine says of their network.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Subnets } from '../../src/drivers/docker/subnets.ts';

const test = suite('subnets of the replicas');

type Config = { Subnet?: string; Gateway?: string };
const network = (...Config: Config[]): Subnets =>
  new Subnets({ IPAM: { Driver: 'default', Options: {}, Config } });

const plain = network({ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' });
const dual = network(
  { Subnet: '10.9.8.64/26', Gateway: '10.9.8.126' },
  { Subnet: 'fd00:7::/64', Gateway: 'fd00:7::1' },
);

for (const [subnets, address, expected] of [
  [plain, '172.18.0.2', true],
  [plain, '172.18.255.254', true],
  [plain, '::ffff:172.18.0.2', true],
  [plain, '::ffff:ac12:2', true],
  [plain, '172.18.0.1', false],
  [plain, '::ffff:172.18.0.1', false],
  [plain, '172.19.0.2', false],
  [plain, '127.0.0.1', false],
  [plain, '::1', false],
  [plain, '', false],
  [plain, 'nobody', false],
  [dual, '10.9.8.65', true],
  [dual, '10.9.8.126', false],
  [dual, '10.9.8.63', false],
  [dual, 'fd00:7::2', true],
  [dual, 'fd00:7:0:0::2', true],
  [dual, 'fd00:7:0:0::1', false],
  [dual, 'fd00:8::2', false],
  [network({ Subnet: '10.1.0.0/24' }), '10.1.0.1', false],
  [network({ Subnet: '10.1.0.0/24' }), '10.1.0.2', true],
  [network({ Subnet: 'fd00:7::/64' }), 'fd00:7::1', false],
  [network({ Subnet: 'fd00:7::/64' }), 'fd00:7::1:1', true],
  [network({ Gateway: '10.1.0.1' }), '10.1.0.2', false],
  [network(), '10.1.0.2', false],
  [new Subnets(null), '10.1.0.2', false],
] as const) {
  test(`${address || 'no address'} ${expected ? 'is a replica' : 'is none'}`, () =>
    assert.is(subnets.holdsReplica(address), expected));
}

test.run();
