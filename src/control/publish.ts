// Slots -> the snapshot that workers route by. One writer, whole states, one number that only grows: a worker can tell
// which of two it has, and never sees half a change. The table holds every listed slot, also one that is out (its
// keys go to their next choices and come back), so only /add, /rm, another weight and a list of given ones rebuild it. Upstreams are only those whose address
// is believed: ready, or suspect (its pool stays for what is in flight). What is starting, draining or dead is absent,
// because the next container may have the dead one's address (measured on both engines). What is dead or hangs is also
// named as lost, because a drained replica's requests are to end and a lost one's are to be tried elsewhere. Those that
// may not be tried twice keep their chance while it hangs, and end once it is gone.

import {
  knowsWeights,
  type RingAlgorithm,
  type SnapshotMessage,
  UNKNOWN_EPOCH,
  type UpstreamSpec,
} from '../core/types.ts';
import { createTableBuilder, type TableBuilder, tableChecksum } from '../ring/build.ts';
import { byName } from '../ring/table.ts';
import type { Leaving } from './replace.ts';
import { type Slot, weightOf } from './slots.ts';

export class Publisher {
  #builder: TableBuilder;
  #rows: number;
  #isDue = false;
  /** null: no table of this ring yet. */
  #tableKey: string | null = '';
  #upstreamsKey = '';
  snapshot: SnapshotMessage;

  constructor(algorithm: RingAlgorithm, rows: number) {
    this.#builder = createTableBuilder(algorithm, rows);
    this.#rows = rows;
    const table = this.#builder.update([]);
    this.snapshot = {
      epoch: UNKNOWN_EPOCH,
      checksum: tableChecksum(table),
      algorithm,
      tableVersion: 1,
      rows: table.rows,
      choices: table.choices,
      points: table.points,
      upstreams: [],
      lost: [],
      gone: [],
      failing: [],
    };
  }

  /** The first list names nobody: the next snapshot says so, where the one of the start only knew of nobody. */
  confirmEmpty(): void {
    this.#tableKey = null;
  }

  /** The next update is a new snapshot whatever else has changed, because settings of workers go with it; perhaps of another ring. */
  configure(algorithm: RingAlgorithm, rows: number): void {
    this.#isDue = true;
    if (algorithm === this.snapshot.algorithm && rows === this.#rows) return;
    this.#builder = createTableBuilder(algorithm, rows);
    this.#rows = rows;
    this.#tableKey = null;
    this.snapshot = { ...this.snapshot, algorithm };
  }

  /** Takes the state of the listed slots and of what leaves; true when there is a new snapshot to publish. */
  update(slots: readonly Slot[], leaving: Iterable<Leaving> = []): boolean {
    const { algorithm } = this.snapshot;
    // By name: in what order slots came here is no torc's business elsewhere (pick's last resort goes by it).
    const upstreams = [...slots].sort(byName).flatMap(slot => upstreamOf(slot, algorithm));
    const tableKey = slots.map(slot => `${slot.id}=${slot.name}x${weightOf(slot)}#${slot.serverId}`).join();
    const upstreamsKey = upstreams
      .map(each => `${each.slotId}=${each.replicaId} ${each.state} ${each.weight} ${each.warmUp?.untilMs}`)
      .join();
    const all = [...leaving];
    const losses = all.filter(each => each.loss !== null);
    const failing = all.filter(each => each.how === 'drain' && each.failure !== null).map(idOf);
    const lost = losses.map(idOf);
    const gone = losses.filter(each => each.loss === 'gone').map(idOf);
    const isNewIn = (known: readonly string[]) => (replicaId: string) => !known.includes(replicaId);
    const isLoss = lost.some(isNewIn(this.snapshot.lost)) || gone.some(isNewIn(this.snapshot.gone));
    if (tableKey === this.#tableKey && upstreamsKey === this.#upstreamsKey && !isLoss && !this.#isDue)
      return false;
    this.#isDue = false;
    const table = tableKey === this.#tableKey ? {} : this.#newTable(slots);
    this.#tableKey = tableKey;
    this.#upstreamsKey = upstreamsKey;
    this.snapshot = {
      ...this.snapshot,
      ...table,
      upstreams,
      lost,
      gone,
      failing,
      epoch: this.snapshot.epoch + 1,
    };
    return true;
  }

  #newTable(
    slots: readonly Slot[],
  ): Pick<SnapshotMessage, 'checksum' | 'tableVersion' | 'rows' | 'choices' | 'points'> {
    const table = this.#builder.update(
      slots.map(slot => ({
        id: slot.id,
        name: slot.name,
        weight: weightOf(slot),
        serverId: slot.serverId,
      })),
    );
    const { rows, choices, points } = table;
    const tableVersion = this.snapshot.tableVersion + 1;
    return { checksum: tableChecksum(table), tableVersion, rows, choices, points };
  }
}

const idOf = ({ member }: Leaving): string => member.replica.id;

function upstreamOf(slot: Slot, ring: RingAlgorithm): UpstreamSpec[] {
  const { member } = slot;
  if (member === null || (member.state !== 'ready' && member.state !== 'suspect')) return [];
  const { id: replicaId, host, port, tls } = member.replica;
  return [
    {
      slotId: slot.id,
      slot: slot.name,
      generation: slot.generation,
      replicaId,
      host,
      port,
      ...(tls && { tls }),
      state: member.state,
      weight: servingWeight(slot, ring),
      ...(slot.warmUp && { warmUp: slot.warmUp }),
    },
  ];
}

/** A ring that knows no weights gives equal shares, but nothing to 0. */
function servingWeight(slot: Slot, ring: RingAlgorithm): number {
  const weight = weightOf(slot);
  return weight === 0 || knowsWeights(ring) ? weight : 1;
}
