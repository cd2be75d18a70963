// What the control plane asks of the data plane, declared here at the consumer and narrow: the primary implements it
// over its workers, the simulation with a fake. Publishing never fails and never waits (a worker that cannot take a
// snapshot is the primary's affair), so that ejecting a dead replica is one synchronous call.

import type { SnapshotMessage, VitalSigns } from '../core/types.ts';

export interface DataPlane {
  /** Sends a whole routing state to every worker; `choices` is always there, whoever needs less strips it. */
  publish(snapshot: SnapshotMessage): void;
  /** Resolves true once nobody has a request in flight on the replica, false at `timeoutMs`. Never rejects. */
  drained(replicaId: string, timeoutMs: number): Promise<boolean>;
  /** What came from the replica so far, over all workers; null where not all of them said so in time. Never rejects. */
  signs(replicaId: string): Promise<VitalSigns | null>;
}
