// What is done again and again while torc serves: the workers hand in what they counted. Beside primary.ts, which starts and
// ends it. Not by an interval: a collection that takes its time would be asked for again meanwhile.

import type { Workers } from './cluster/workers.ts';
import { systemClock, type Timer } from './core/clock.ts';

const COLLECT_EVERY_MS = 5_000;

/** Counters reach the primary at least this often, so that a worker's crash loses little of them. The result ends it. */
export function collectRegularly(workers: Workers, afterwards: () => void): () => void {
  let isOver = false;
  let timer: Timer | null = null;
  const again = (): void => {
    if (isOver) return;
    afterwards();
    timer = systemClock.after(COLLECT_EVERY_MS, () => void workers.collect().then(again));
  };
  again();
  return () => {
    isOver = true;
    timer?.cancel();
  };
}
