// The rings that `npm run bench -- ring` compares, each as its user has it: from a key to the name of its slot, and one
// slot more or less. What a lookup includes:
// - torc: MurmurHash3 of the key (assignment: its polynomial, seed and ketama: md5, nginx: crc32, haproxy: sdbm), and the data plane's `pick` on a snapshot: the
//   row's first choice (of the last three, found among a circle's points), whether it may be used, its upstream.
// - hashring: md5 of the key by node:crypto and a bisection of 160 points a slot, both behind its cache of 5,000 keys.
// - consistent-hash: a 24-bit PJW hash, a search among 40 points a slot, and a map from point to slot. Its points are
//   drawn by Math.random, so two processes disagree. The other row of it has hashring's 160 points; 1000 slots need
//   more places then than its 100,003, so it has what its page suggests.
// The code is loaded where it runs: the packages are there only after the bench's first run.

import type { RingAlgorithm } from '../../src/core/types.ts';
import { slotsFault } from '../../src/ring/build.ts';
import type { Ring } from './torc-ring.ts';

type Make = (names: readonly string[]) => Ring;

export interface Subject {
  readonly name: string;
  /** Whether it can have so many slots. */
  holds(slots: number): boolean;
  load(): Promise<Make>;
}

const POINTS = 160;
const WIDE_RANGE = 1_000_003;

const torc = (algorithm: RingAlgorithm): Subject => ({
  name: algorithm,
  holds: slots => slotsFault(algorithm, slots) === null,
  load: async () => {
    const { TorcRing } = await import('./torc-ring.ts');
    return names => new TorcRing(algorithm, names);
  },
});

const hashring: Subject = {
  name: 'hashring',
  holds: () => true,
  load: async () => {
    const { default: HashRing } = await import('hashring');
    return names => new HashRing(names);
  },
};

const consistentHash = (name: string, options?: { weight: number; range: number }): Subject => ({
  name,
  holds: () => true,
  load: async () => {
    const { default: ConsistentHash } = await import('consistent-hash');
    return names => {
      const ring = new ConsistentHash(options);
      for (const slot of names) ring.add(slot);
      return ring;
    };
  },
});

export const SUBJECTS: readonly Subject[] = [
  torc('rendezvous'),
  torc('ring'),
  torc('maglev'),
  torc('assignment'),
  torc('seed'),
  torc('nginx'),
  torc('haproxy'),
  torc('ketama'),
  hashring,
  consistentHash('consistent-hash'),
  consistentHash(`consistent-hash ${POINTS}`, { weight: POINTS, range: WIDE_RANGE }),
];
