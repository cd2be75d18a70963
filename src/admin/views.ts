// State -> the JSON that people read: pure functions, one per endpoint. They read the same snapshot that the workers
// route by, so what `/admin/explain` says is what the next request does.

import { placesPerSlot } from '../analysis/balance.ts';
import type { RolloutView, SlotView } from '../control/supervisor.ts';
import type { WorkerRing } from '../core/messages.ts';
import type { SnapshotMessage } from '../core/types.ts';
import { placementDigest } from '../ring/digest.ts';
import { placeCount } from '../ring/sample.ts';
import { CHOICES, makeTable } from '../ring/table.ts';
import type { SlotTotals, Totals } from '../routing/counters.ts';
import type { RecentView } from '../routing/recent.ts';

export const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;

/** `/admin/slots`: each slot with its replica, its load and its last change, then the spares. */
export function slotsView(
  slots: readonly SlotView[],
  spares: readonly SlotView[],
  totals: Totals,
  inFlight: (slot: string) => number,
  recent: (replicaId: string, windowMs: number) => RecentView,
): object {
  return {
    slots: slots.map(slot => ({
      ...slotView(slot),
      weight: slot.weight,
      inFlight: inFlight(slot.name),
      ...loadView(totals.slots.get(slot.name)),
      lastMinute: recent(slot.replicaId, 60_000),
      lastFiveMinutes: recent(slot.replicaId, 300_000),
    })),
    spares: spares.map(slotView),
  };
}

export function slotView(slot: SlotView) {
  const { name, state, generation, label, image, version, address, machine, change, failing } = slot;
  return {
    name,
    state,
    generation,
    replica: label,
    ...(image === '' ? {} : { image, version }),
    address,
    ...(machine === '' ? {} : { machine }),
    lastChange: { at: new Date(change.atMs).toISOString(), cause: change.cause, source: change.source },
    ...(failing === null ? {} : { failing }),
  };
}

const loadView = (totals: SlotTotals | undefined): object => ({
  requests: totals?.requests ?? 0,
  errors: totals?.errors ?? 0,
  latencyUs: {
    p50: totals?.latencies.getValueAtPercentile(50) ?? 0,
    p99: totals?.latencies.getValueAtPercentile(99) ?? 0,
  },
});

/** `/admin/rollout`: the one under way, or the last. */
export function rolloutView(rollout: RolloutView | null): object {
  if (rollout === null) return { state: 'none' };
  const { startedMs, endedMs, ...rest } = rollout;
  return {
    ...rest,
    startedAt: new Date(startedMs).toISOString(),
    endedAt: endedMs === null ? null : new Date(endedMs).toISOString(),
  };
}

/** What torcs of one service compare. */
export const digestOf = (
  { algorithm, rows }: Pick<SnapshotMessage, 'algorithm' | 'rows'>,
  slots: readonly SlotView[],
  key: string,
): string => placementDigest({ algorithm, rows, key, slots });

/** `/admin/ring`: algorithm, rows, share of rows per slot, epoch and checksum as each worker has them. */
export function ringView(
  snapshot: SnapshotMessage,
  slots: readonly SlotView[],
  workers: readonly WorkerRing[],
  key: string,
): object {
  const { algorithm, choices, points } = snapshot;
  const table = makeTable(algorithm, choices ?? new Uint16Array(0), points);
  const places = placeCount(table);
  const owned = placesPerSlot(table, slots);
  const rows = new Map<number, number>();
  for (let row = 0; row < table.rows; row++) {
    const owner = table.choices[row * CHOICES]!;
    rows.set(owner, (rows.get(owner) ?? 0) + 1);
  }
  return {
    digest: digestOf({ algorithm, rows: table.rows }, slots, key),
    algorithm,
    key,
    rows: table.rows,
    choices: CHOICES,
    epoch: snapshot.epoch,
    checksum: hex(snapshot.checksum),
    tableVersion: snapshot.tableVersion,
    slots: slots.map((slot, index) => ({
      slot: slot.name,
      id: slot.id,
      weight: slot.weight,
      serverId: slot.serverId,
      rows: rows.get(slot.id) ?? 0,
      share: round(owned[index]! / places),
    })),
    workers: workers.map(worker => ({
      ...worker,
      checksum: hex(worker.checksum),
      current: worker.epoch === snapshot.epoch && worker.checksum === snapshot.checksum,
    })),
  };
}

export const round = (share: number): number => Math.round(share * 1e6) / 1e6;
