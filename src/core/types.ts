// The words that more than one room uses, as types; where one comes from a list, the list too, and one number of theirs.
// A slot is a stable position that owns rows of the table; a replica is what fills it now (docs/glossary.md).
// Everything that crosses a process boundary (primary <-> worker) is plain data, so that structured clone carries it.

/** Where a replica stands. Moves forward only; `suspect` alone may return to `ready`. */
export type ReplicaState = 'starting' | 'ready' | 'suspect' | 'draining' | 'dead';

/** The last four place keys as other programs do. */
export const RINGS = [
  'rendezvous',
  'ring',
  'maglev',
  'assignment',
  'seed',
  'nginx',
  'haproxy',
  'haproxy-addr-port',
  'ketama',
] as const;
export type RingAlgorithm = (typeof RINGS)[number];
/** The most that a slot's weight may be, and those of all slots together: nginx's circle has 160 points for each unit, a million in all. */
export const MOST_WEIGHT = 256;
export const MOST_WEIGHT_IN_ALL = 6_500;

/** A row for each point, as another program has them, and whole weights alone; the others have rows of their own number. */
export const isCircle = (ring: RingAlgorithm): boolean => RINGS.indexOf(ring) >= RINGS.indexOf('nginx');
/** All but the historical ones. */
export const knowsWeights = (ring: RingAlgorithm): boolean => ring !== 'assignment' && ring !== 'seed';

/** How a TLS connection to a replica is verified. */
export interface ReplicaTls {
  /** Whom to ask for (SNI), and the name that the certificate must have; '' for an address: that is what it must have then. */
  readonly serverName: string;
  /** A file of authorities; null: the system's. */
  readonly ca: string | null;
}

/** Where a replica listens. */
export interface ReplicaAddress {
  /** Begins with "/": the path of a unix socket, and `port` is 0 (as libpq has it). */
  readonly host: string;
  readonly port: number;
  /** Absent: plain. */
  readonly tls?: ReplicaTls;
}

/** Of a snapshot before the first list was read: that it names no slot says nothing. */
export const UNKNOWN_EPOCH = 1;

/** Since 1970: from then until then a slot takes its keys little by little (routing/slow-start.ts). */
export interface WarmUp {
  readonly fromMs: number;
  readonly untilMs: number;
  /** `lent`: only those that were lent while it was out, the others at once. */
  readonly keys: 'all' | 'lent';
}

/** One replica as the data plane needs it. `slotId` is what the table's rows hold: small, stable while the slot lives. */
export interface UpstreamSpec extends ReplicaAddress {
  readonly slotId: number;
  readonly slot: string;
  readonly generation: number;
  readonly replicaId: string;
  readonly state: ReplicaState;
  /** Absent: 1. Of 0: it is in the table and gets nothing. */
  readonly weight?: number;
  /** Absent: it takes all its keys at once. */
  readonly warmUp?: WarmUp;
}

/**
 * A whole routing state, as the primary publishes it. `choices` is null where the worker has that `tableVersion`
 * already (the table is 384 KiB and changes only with the set of slots; states change far more often).
 */
export interface SnapshotMessage {
  readonly epoch: number;
  readonly checksum: number;
  readonly algorithm: RingAlgorithm;
  readonly tableVersion: number;
  readonly rows: number;
  /** Null where the worker has the table already. */
  readonly choices: Uint16Array | null;
  /** Those of a circle (ring/table.ts). */
  readonly points: Uint32Array | null;
  readonly upstreams: readonly UpstreamSpec[];
  /** Replicas that are dead or hang and are being cleared away: what waits for their answer is tried elsewhere now. */
  readonly lost: readonly string[];
  /** Those of the lost that have ended for certain: what may not be tried elsewhere and still waits there ends. */
  readonly gone: readonly string[];
  /** Replicas that drain because something is wrong with them, told to stop by nobody: their ends are deaths. */
  readonly failing: readonly string[];
}

/** A worker's word that an upstream misbehaves. Only a hint: the supervisor decides. */
export interface SuspectHint {
  readonly slot: string;
  readonly replicaId: string;
  readonly cause: 'refused' | 'reset' | 'timeout' | 'error';
  readonly detail: string;
  /** Failures in a row at that worker: none of its requests was answered in between. One that took too long counts half. */
  readonly inRow: number;
}

/** What came from a replica since a worker has known it. Counts that only grow, until the worker is replaced. */
export interface VitalSigns {
  /** Reads that brought bytes. */
  readonly reads: number;
  /** Whole answers. */
  readonly answers: number;
}
