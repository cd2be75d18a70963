// Does torc place keys as nginx, HAProxy and libmemcached do? The real programs are started with the same servers, weights
// and ids, asked for the server of each of many keys, and compared with torc's ring of that name, key by key. It also says
// what share of the keys torc's default ring would place elsewhere. docs/migrating.md stands on it.

import type { RingAlgorithm } from '../src/core/types.ts';
import { createTableBuilder } from '../src/ring/build.ts';
import { keyHashFor } from '../src/ring/hash.ts';
import type { RingSlot } from '../src/ring/table.ts';
import { type Pickable, pick } from '../src/routing/pick.ts';
import type { BenchOptions } from './harness/rounds.ts';
import { KINDS, keysOf } from './placement/keys.ts';
import { missing, type PeerName, type Server, startPeer, versionOf } from './placement/peers.ts';

const PEERS: readonly { readonly peer: PeerName; readonly ring: RingAlgorithm }[] = [
  { peer: 'nginx', ring: 'nginx' },
  { peer: 'haproxy', ring: 'haproxy' },
  { peer: 'libmemcached', ring: 'ketama' },
];
const FULL = { keysOfAKind: 100_000, most: 20, equal: [1, 2, 3, 5, 10, 20], changed: [3, 10] };
const SHORT = { keysOfAKind: 2_000, most: 5, equal: [1, 3], changed: [3] };
/** Golden vectors are of servers at this one. */
const PORT = 9300;

export interface Placement {
  readonly event: string;
  readonly servers: readonly Server[];
}

export async function placement({ full, only, progress }: BenchOptions): Promise<object[]> {
  const size = full ? FULL : SHORT;
  const keys = KINDS.flatMap(kind => keysOf(kind, size.keysOfAKind));
  const rows: object[] = [];
  for (const { peer, ring } of PEERS) {
    if (only.length > 0 && !only.includes(peer)) continue;
    const lack = missing(peer);
    if (lack !== null) {
      progress(`${peer} is not here: ${lack}`);
      continue;
    }
    const asked = placements(size, peer).filter(
      ({ servers }) => peer !== 'libmemcached' || !servers.some(({ isDown }) => isDown),
    );
    for (const { event, servers } of asked) {
      progress(`${peer}: ${event}, N = ${servers.length}`);
      const theirs = await placesOf(peer, servers, keys);
      rows.push({
        peer: `${peer} ${versionOf(peer)}`,
        N: servers.length,
        weights: servers.map(({ weight }) => weight).join(' '),
        event,
        keys: keys.length,
        differences: differences(theirs, placesByTorc(ring, servers, keys)),
        'rendezvous would move, %': percent(
          differences(theirs, placesByTorc('rendezvous', servers, keys)) / keys.length,
        ),
      });
    }
  }
  return rows;
}

const percent = (share: number): number => Number((100 * share).toFixed(1));

function placements(size: typeof FULL, peer: PeerName): Placement[] {
  const all: Placement[] = [];
  for (const n of size.equal) all.push({ event: 'equal weights', servers: serversOf(n, () => 1) });
  for (let n = 1; n <= size.most; n++) all.push({ event: 'weights 1 to 5', servers: serversOf(n, weightOf) });
  for (const n of size.changed) {
    const servers = serversOf(n, weightOf);
    const middle = n >> 1;
    all.push({
      event: 'one is down',
      servers: servers.map((each, index) => ({ ...each, isDown: index === middle })),
    });
    all.push({ event: 'one is removed', servers: servers.filter((_, index) => index !== middle) });
    all.push({ event: 'one is added', servers: serversOf(n + 1, weightOf) });
    if (peer === 'haproxy')
      all.push({
        event: 'one is removed, with ids',
        servers: servers
          .map((each, index) => ({ ...each, id: 10 * index + 7 }))
          .filter((_, index) => index !== middle),
      });
  }
  return all;
}

/** 1 to 5, all of them. */
const weightOf = (index: number): number => 1 + ((index * 7 + 3) % 5);

export const serversOf = (count: number, weight: (index: number) => number, port = PORT): Server[] =>
  Array.from({ length: count }, (_, index) => ({
    address: `127.0.0.${index + 2}:${port}`,
    weight: weight(index),
    isDown: false,
    id: null,
  }));

export async function placesOf(
  peer: PeerName,
  servers: readonly Server[],
  keys: readonly string[],
): Promise<number[]> {
  const asked = await startPeer(peer, servers);
  try {
    return await asked.place(keys);
  } finally {
    await asked.close();
  }
}

/** By the data plane's own pick. */
export function placesByTorc(
  ring: RingAlgorithm,
  servers: readonly Server[],
  keys: readonly string[],
): number[] {
  const slots: RingSlot[] = servers.map(({ address, weight, id: serverId }, id) => ({
    id,
    name: address,
    weight,
    serverId: serverId ?? id + 1,
  }));
  const usable = Uint8Array.from(servers, ({ isDown }) => (isDown ? 0 : 1));
  const pickable: Pickable = {
    table: createTableBuilder(ring, 65_536).update(slots),
    usable,
    usableCount: usable.reduce((sum, each) => sum + each, 0),
    slowStart: null,
    weights: { of: Float64Array.from(servers, ({ weight }) => weight), sum: servers.length },
    ids: slots.map(({ id }) => id),
    upstreams: slots.map(() => ({ inFlight: 0 })),
  };
  const hash = keyHashFor(ring);
  return keys.map(key => pick(pickable, hash(key, 0, key.length), [], 0, 0));
}

export const differences = (theirs: readonly number[], ours: readonly number[]): number =>
  theirs.reduce((count, each, index) => count + (each === ours[index] ? 0 : 1), 0);
