// 10,000 asynchronous requests and who answered them. Counted by the `server_id` in the replica's own body, not by a header
// of the balancer: what is counted is what a client got. A closed loop: IN_FLIGHT requests are out at any time, so a
// latency here is one under saturation and says what waiting costs, not what an idle torc adds.

import { build, type Histogram } from 'hdr-histogram-js';
import { seededRandom } from '../../src/core/random.ts';
import { IN_FLIGHT, type Torc } from './torc.ts';

export interface Load {
  readonly sent: number;
  /** Answers of 200, per slot name. */
  readonly counts: Readonly<Record<string, number>>;
  /** Everything else: other statuses and broken connections. */
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export const sequentialKeys = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(index + 1));

/** 6-digit ids, as the assignment's clients send them; the same seed gives the same ids. */
export function randomKeys(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => String(100_000 + Math.floor(random() * 900_000)));
}

export async function sendAll(torc: Torc, keys: readonly string[]): Promise<Load> {
  const counts = new Map<string, number>();
  const latencies: Histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
  let failed = 0;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < keys.length) {
      const path = `/request?request_id=${keys[next++]}`;
      const startMs = performance.now();
      const slot = await slotThatAnswers(torc, path);
      latencies.recordValue(Math.round((performance.now() - startMs) * 1000));
      if (slot === null) failed++;
      else counts.set(slot, (counts.get(slot) ?? 0) + 1);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const seconds = (performance.now() - startMs) / 1000;
  return {
    sent: keys.length,
    counts: Object.fromEntries([...counts].sort(([a], [b]) => Number(a) - Number(b))),
    failed,
    perSecond: Math.round(keys.length / seconds),
    p50Us: latencies.getValueAtPercentile(50),
    p99Us: latencies.getValueAtPercentile(99),
  };
}

/** The `server_id` of a 200; null for anything else. */
export async function slotThatAnswers(torc: Torc, path: string): Promise<string | null> {
  try {
    const { status, text } = await torc.ask('GET', path);
    if (status !== 200) return null;
    return (JSON.parse(text) as { server_id?: string }).server_id ?? null;
  } catch {
    return null;
  }
}
