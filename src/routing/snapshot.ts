// The whole routing state as one immutable object, swapped in one assignment. A request reads `current` once and lives
// with it to its end, so it never sees half a change. Upstreams are the only things with a life of their own: those
// whose replica goes on are carried over, new replicas get new ones, and the vanished are retired, not cut, unless their
// replica is lost: then what waits for its answer goes to its next choice, by this snapshot, or ends if it may not.

import { type Clock, systemClock } from '../core/clock.ts';
import { invariant } from '../core/invariant.ts';
import type { Log } from '../core/log.ts';
import { type SnapshotMessage, UNKNOWN_EPOCH, type UpstreamSpec, type VitalSigns } from '../core/types.ts';
import { tableChecksum } from '../ring/build.ts';
import { keyHashFor } from '../ring/hash.ts';
import { CHOICES, type KeyHash, makeTable, NONE, rowOf, type Table } from '../ring/table.ts';
import type { UpstreamSettings } from '../upstream/transport.ts';
import { Upstream } from '../upstream/upstream.ts';
import { type Choosable, choosableOf } from './choosable.ts';
import { type SlowStart, slowStartOf } from './slow-start.ts';

export interface Snapshot extends Choosable {
  readonly epoch: number;
  readonly checksum: number;
  readonly table: Table;
  readonly keyHash: KeyHash;
  /** By slot id; null where no replica fills the slot. */
  readonly upstreams: readonly (Upstream | null)[];
  /** null: no slot warms up. */
  readonly slowStart: SlowStart | null;
  /** By slot id: whose it is or was last, also where no replica fills it. For the log. */
  readonly names: readonly string[];
}

/** The default table of a worker that has heard nothing yet: one row without choices. */
const NOTHING: Snapshot = {
  epoch: 0,
  checksum: 0,
  table: makeTable('rendezvous', new Uint16Array(3).fill(0xffff)),
  keyHash: () => 0,
  upstreams: [],
  usable: new Uint8Array(0),
  usableCount: 0,
  weights: { of: new Float64Array(0), sum: 0 },
  slowStart: null,
  ids: [],
  names: [],
};

/** The name of the slot that owns the hash's row, whoever serves it now; '' where none was heard of. */
export function ownerOf({ table, names }: Snapshot, hash: number): string {
  return names[table.choices[rowOf(table, hash) * CHOICES]!] ?? '';
}

/** There is no slot, ready or not, and that is known. */
export const isEmpty = ({ table, epoch }: Snapshot): boolean =>
  table.choices[0] === NONE && epoch > UNKNOWN_EPOCH;

export class SnapshotHolder {
  current: Snapshot = NOTHING;
  #settings: UpstreamSettings;
  readonly #log: Log;
  readonly #clock: Clock;
  #tableVersion = -1;
  /** By replica id: those of the current snapshot, and those that still have requests to end. */
  readonly #upstreams = new Map<string, Upstream>();

  constructor(settings: UpstreamSettings, log: Log, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#log = log;
    this.#clock = clock;
  }

  /** A reload, before the snapshot that came with it: what is in flight keeps its connections. */
  configure(settings: UpstreamSettings): void {
    this.#settings = settings;
    for (const upstream of this.#upstreams.values()) upstream.configure(settings);
  }

  apply(message: SnapshotMessage): void {
    invariant(message.epoch > this.current.epoch, `epoch ${message.epoch} after ${this.current.epoch}`);
    const table = this.#tableOf(message);
    const size = message.upstreams.reduce((most, spec) => Math.max(most, spec.slotId + 1), 0);
    const upstreams = new Array<Upstream | null>(size).fill(null);
    const names = this.current.names.slice();
    for (const spec of message.upstreams) {
      upstreams[spec.slotId] = this.#upstreamOf(spec);
      names[spec.slotId] = spec.slot;
    }
    const { epoch, checksum } = message;
    const keyHash = table === this.current.table ? this.current.keyHash : keyHashFor(message.algorithm);
    const { upstreams: specs } = message;
    const choosable = choosableOf(specs);
    const slowStart = slowStartOf(specs, this.#clock.wallMs(), this.#clock.nowMs());
    this.current = { epoch, checksum, table, keyHash, upstreams, names, slowStart, ...choosable };
    this.#retireOthers(message);
    this.#log.debug({ epoch, usable: choosable.usableCount }, 'snapshot applied');
  }

  /** Slots that warm up take more of their keys. */
  sweep(nowMs: number): void {
    if (this.current.slowStart?.advance(nowMs) === false) this.current = { ...this.current, slowStart: null };
  }

  /** Calls back once the replica is out of routing and has nothing in flight here; at once for one that this worker does not know. */
  drained(replicaId: string, callback: () => void): void {
    const upstream = this.#upstreams.get(replicaId);
    if (upstream === undefined) callback();
    else upstream.whenDrained(callback);
  }

  /** What came from the replica so far; nothing from one that this worker does not know. */
  signs(replicaId: string): VitalSigns {
    return this.#upstreams.get(replicaId)?.signs() ?? { reads: 0, answers: 0 };
  }

  #tableOf(message: SnapshotMessage): Table {
    if (message.choices === null) {
      invariant(message.tableVersion === this.#tableVersion, `no table of version ${message.tableVersion}`);
      return this.current.table;
    }
    const table = makeTable(message.algorithm, message.choices, message.points);
    invariant(
      tableChecksum(table) === message.checksum,
      `the table of epoch ${message.epoch} has another checksum`,
    );
    this.#tableVersion = message.tableVersion;
    return table;
  }

  #upstreamOf(spec: UpstreamSpec): Upstream {
    const known = this.#upstreams.get(spec.replicaId);
    // A spare that is promoted keeps its replica id but fills another slot now.
    if (known !== undefined && known.slot === spec.slot && known.slotId === spec.slotId) return known;
    known?.retire();
    const upstream = new Upstream(spec, this.#settings, this.#clock);
    this.#upstreams.set(spec.replicaId, upstream);
    return upstream;
  }

  #retireOthers({ upstreams, lost, gone, failing }: SnapshotMessage): void {
    const staying = new Set(upstreams.map(spec => spec.replicaId));
    for (const [replicaId, upstream] of this.#upstreams) {
      if (staying.has(replicaId)) continue;
      if (gone.includes(replicaId)) upstream.cut();
      else if (lost.includes(replicaId)) upstream.destroy();
      else upstream.retire(!failing.includes(replicaId));
      upstream.whenDrained(() => {
        if (this.#upstreams.get(replicaId) === upstream) this.#upstreams.delete(replicaId);
      });
    }
  }
}
