// Which replica is slow now? Latencies of the last minutes, per replica: what a slot took since the start says nothing of
// the present, and a successor must not inherit what its predecessor took. Buckets of ten seconds, thirty at most; a
// bucket holds the cells that the workers hand in (counters.ts), so it is as exact as they are. Time comes by argument.

import type { CountersDelta } from './counters.ts';

const BUCKET_MS = 10_000;
const BUCKETS = 30;

interface Bucket {
  readonly startMs: number;
  /** Microseconds -> how many. */
  readonly counts: Map<number, number>;
}

export interface RecentView {
  readonly requests: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export class RecentLatencies {
  /** By replica id, oldest bucket first. */
  readonly #replicas = new Map<string, Bucket[]>();

  record(delta: CountersDelta, nowMs: number): void {
    const startMs = Math.floor(nowMs / BUCKET_MS) * BUCKET_MS;
    for (const { replicaId, latenciesUs, latencyCounts } of delta.slots) {
      if (latenciesUs.length === 0) continue;
      const { counts } = this.#bucket(replicaId, startMs);
      for (let index = 0; index < latenciesUs.length; index++) {
        const us = latenciesUs[index]!;
        counts.set(us, (counts.get(us) ?? 0) + latencyCounts[index]!);
      }
    }
  }

  /** Of the buckets that began within the last `windowMs`; of all replicas where none is named. */
  view(replicaId: string | null, nowMs: number, windowMs: number): RecentView {
    const counts = new Map<number, number>();
    const buckets =
      replicaId === null ? [...this.#replicas.values()].flat() : (this.#replicas.get(replicaId) ?? []);
    for (const bucket of buckets) {
      if (bucket.startMs <= nowMs - windowMs) continue;
      for (const [us, count] of bucket.counts) counts.set(us, (counts.get(us) ?? 0) + count);
    }
    const sorted = [...counts].sort(([a], [b]) => a - b);
    const requests = sorted.reduce((sum, [, count]) => sum + count, 0);
    return { requests, p50Us: quantile(sorted, requests * 0.5), p99Us: quantile(sorted, requests * 0.99) };
  }

  /** Drops those of replicas that are no more. */
  keepOnly(replicaIds: ReadonlySet<string>): void {
    for (const id of this.#replicas.keys()) if (!replicaIds.has(id)) this.#replicas.delete(id);
  }

  #bucket(replicaId: string, startMs: number): Bucket {
    let buckets = this.#replicas.get(replicaId);
    if (buckets === undefined) {
      buckets = [];
      this.#replicas.set(replicaId, buckets);
    }
    const last = buckets.at(-1);
    if (last?.startMs === startMs) return last;
    const bucket = { startMs, counts: new Map<number, number>() };
    buckets.push(bucket);
    if (buckets.length > BUCKETS) buckets.shift();
    return bucket;
  }
}

function quantile(sorted: readonly (readonly [number, number])[], rank: number): number {
  let seen = 0;
  for (const [us, count] of sorted) {
    seen += count;
    if (seen >= rank) return us;
  }
  return 0;
}
