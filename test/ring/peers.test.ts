// The rings of other balancers, held against the programs themselves where they are installed: each key of a few thousand
// goes to the same server, with weights, with one down, removed or added. `npm run bench -- placement --full` is the long form.
// What they answered once is kept as golden vectors, for machines that have none of them.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KINDS, keysOf } from '../../native-free-bench/placement/keys.ts';
import { missing, type PeerName, type Server } from '../../native-free-bench/placement/peers.ts';
import { differences, placesByTorc, placesOf, serversOf } from '../../native-free-bench/placement.ts';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { freePort } from '../support/torc.ts';
import { GOLDEN } from './peers-golden.ts';

const peers = suite('ring/peers');
const KEYS = KINDS.flatMap(kind => keysOf(kind, 1_000));
const RINGS: readonly (readonly [PeerName, RingAlgorithm])[] = [
  ['nginx', 'nginx'],
  ['haproxy', 'haproxy'],
  ['libmemcached', 'ketama'],
];

const weightOf = (index: number): number => 1 + ((index * 7 + 3) % 5);
const port = await freePort();
const equal = serversOf(3, () => 1, port);
const weighted = serversOf(7, weightOf, port);
const without = (servers: readonly Server[], index: number): Server[] =>
  servers.filter((_, at) => at !== index);
const CASES: Record<string, readonly Server[]> = {
  'one server': serversOf(1, () => 1, port),
  'two servers': serversOf(2, () => 1, port),
  'three of equal weight': equal,
  'seven of weights 1 to 5': weighted,
  'one of seven is down': weighted.map((each, index) => ({ ...each, isDown: index === 2 })),
  'all but two of seven are down': weighted.map((each, index) => ({
    ...each,
    isDown: index !== 2 && index !== 5,
  })),
  'one of seven is removed': without(weighted, 2),
  twenty: serversOf(20, index => 1 + (index % 3), port),
  'ids of their own': without(
    equal.map((each, index) => ({ ...each, id: 10 * index + 7 })),
    0,
  ),
};

const GOLDEN_SERVERS: Record<string, readonly Server[]> = {
  three: serversOf(3, () => 1),
  seven: serversOf(7, weightOf),
  'one of seven down': serversOf(7, weightOf).map((each, index) => ({ ...each, isDown: index === 2 })),
};

for (const [peer, ring] of RINGS) {
  const lack = missing(peer);
  const test = lack === null ? peers : peers.skip;
  for (const [name, servers] of Object.entries(CASES)) {
    // A client of memcached has no notion of a server that is down.
    if (peer === 'libmemcached' && servers.some(({ isDown }) => isDown)) continue;
    test(`${ring}: ${name}, as ${peer} places them`, async () => {
      const theirs = await placesOf(peer, servers, KEYS);
      assert.is(theirs.length, KEYS.length);
      assert.is(differences(theirs, placesByTorc(ring, servers, KEYS)), 0);
    });
  }
}

for (const { ring, servers, placed } of GOLDEN) {
  peers(`${ring}: ${servers}, as it was answered once`, () => {
    const keys = KINDS.flatMap(kind => keysOf(kind, 40));
    assert.is(placesByTorc(ring, GOLDEN_SERVERS[servers]!, keys).join(''), placed);
  });
}

peers.run();
