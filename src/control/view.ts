// Slots as people see them, for /admin/slots and the table of what is failing: plain data, copied, so that a reader
// cannot touch what the supervisor decides by.

import { addressInWords } from '../core/host-port.ts';
import type { ReplicaState } from '../core/types.ts';
import { type Change, type Slot, stateOf, weightOf } from './slots.ts';

export interface SlotView {
  readonly name: string;
  /** What the table's rows hold; -1 for a spare. */
  readonly id: number;
  /** Its share is by this (ring/table.ts); 0: it is drained. */
  readonly weight: number;
  readonly serverId: number | null;
  readonly state: ReplicaState;
  readonly generation: number;
  /** Empty, as the address is, where no replica fills the slot. */
  readonly replicaId: string;
  readonly label: string;
  /** '' where the driver knows none. */
  readonly image: string;
  readonly version: string;
  readonly address: string;
  /** That it runs on, by name; '' where there is one only. */
  readonly machine: string;
  readonly change: Change;
  /** Since its replica first answered; null before. */
  readonly readyForMs: number | null;
  /** Why the slot is not filled, or fills badly; null when it is well. */
  readonly failing: {
    readonly failureCount: number;
    readonly retryInMs: number;
    readonly cause: string;
    /** The end of what the last replica printed, '' where nothing is known. */
    readonly output: string;
  } | null;
}

export function slotView(slot: Slot, nowMs: number): SlotView {
  const replica = slot.member?.replica;
  const readySinceMs = slot.member?.readySinceMs ?? null;
  const isFailing = slot.failureCount > 0 && slot.member?.state !== 'ready';
  return {
    name: slot.name,
    id: slot.id,
    weight: weightOf(slot),
    serverId: slot.serverId,
    state: stateOf(slot),
    generation: slot.generation,
    replicaId: replica?.id ?? '',
    label: replica?.label ?? '',
    image: replica?.image ?? '',
    version: replica?.version ?? '',
    address: replica ? addressInWords(replica) : '',
    machine: replica?.place?.name ?? '',
    change: slot.change,
    readyForMs: readySinceMs === null ? null : nowMs - readySinceMs,
    failing: isFailing
      ? {
          failureCount: slot.failureCount,
          retryInMs: slot.member === null ? Math.max(0, Math.round(slot.retryAtMs - nowMs)) : 0,
          cause: slot.failure?.cause ?? slot.change.cause,
          output: slot.failure?.output ?? '',
        }
      : null,
  };
}
