// torc's ring as the data plane has it: a builder (which in torc only the primary has), its table in a snapshot, and
// `pick` on that. Made by hand from the same parts, because a snapshot otherwise needs a whole worker.

import { systemClock } from '../../src/core/clock.ts';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { keyHashFor } from '../../src/ring/hash.ts';
import type { RingSlot } from '../../src/ring/table.ts';
import { pick } from '../../src/routing/pick.ts';
import type { Snapshot } from '../../src/routing/snapshot.ts';
import { Upstream } from '../../src/upstream/upstream.ts';

/** As the packages have it. */
export interface Ring {
  /** The name of the slot that owns the key. */
  get(key: string): string;
  add(name: string): void;
  /** Takes the newest slot away. */
  remove(name: string): void;
}

const ROWS = 65_536;
const NOBODY: readonly number[] = [];
const USABLE = new Uint8Array(ROWS).fill(1);
/** As USABLE, no part of a ring's bytes. */
const WEIGHTS = new Float64Array(USABLE);

/** Replicas are there whatever the ring: made once, by slot id, and no part of its bytes. */
const upstreams: Upstream[] = [];
function upstreamOf({ id, name }: RingSlot): Upstream {
  const known = upstreams[id];
  if (known?.slot === name) return known;
  const spec = { slotId: id, slot: name, generation: 1, replicaId: name, state: 'ready' } as const;
  const limits = {
    maxConnectionsPerReplica: 1,
    maxQueue: 1,
    pipelining: 'off' as const,
    replicaProtocol: 'http1' as const,
    connectTimeoutMs: 1000 as const,
  };
  const made = new Upstream({ ...spec, host: '127.0.0.1', port: 1 }, limits, systemClock);
  upstreams[id] = made;
  return made;
}

export class TorcRing implements Ring {
  readonly #builder;
  readonly #algorithm: RingAlgorithm;
  #slots: RingSlot[];
  #snapshot: Snapshot;

  constructor(algorithm: RingAlgorithm, names: readonly string[]) {
    this.#algorithm = algorithm;
    this.#builder = createTableBuilder(algorithm, ROWS);
    this.#slots = names.map((name, id) => ({ id, name }));
    this.#snapshot = this.#build();
  }

  get(key: string): string {
    const snapshot = this.#snapshot;
    const slotId = pick(snapshot, snapshot.keyHash(key, 0, key.length), NOBODY, 0, 0);
    return snapshot.upstreams[slotId]!.slot;
  }

  add(name: string): void {
    this.#slots.push({ id: this.#slots.length, name });
    this.#snapshot = this.#build();
  }

  remove(name: string): void {
    this.#slots = this.#slots.filter(slot => slot.name !== name);
    this.#snapshot = this.#build();
  }

  #build(): Snapshot {
    return {
      epoch: 1,
      checksum: 0,
      table: this.#builder.update(this.#slots),
      keyHash: keyHashFor(this.#algorithm),
      upstreams: this.#slots.map(upstreamOf),
      usable: USABLE,
      usableCount: this.#slots.length,
      slowStart: null,
      weights: { of: WEIGHTS, sum: this.#slots.length },
      ids: this.#slots.map(slot => slot.id),
      names: [],
    };
  }
}
