// What counting costs a request: the histogram cell, the counters, the recent key, the two readings of the clock
// (src/routing/counters.ts), and every five seconds handing all that to the primary, which adds it up. In a loop that
// makes a new target for each request, as node:http does, with and without the counting, turn by turn; the difference
// of the medians is set against what a request of torc costs, measured in the same run. Not in it: what counting does to
// the caches of a real worker. The bound is 2 %.

import { deserialize, serialize } from 'node:v8';
import { systemClock } from '../src/core/clock.ts';
import { Counters, type CountersDelta, emptyTotals, mergeDelta } from '../src/routing/counters.ts';
import { median, ownCpuUs } from './harness/cpu.ts';
import { type BenchOptions, merge, type Sample, warmUp, withTargets } from './harness/rounds.ts';
import { scalable } from './harness/targets.ts';

const SLOTS = ['1', '2', '3'];
/** Enough between two collections for each slot to keep as many keys as it may. */
const REQUESTS = 60_000;
const ROUNDS = 25;
/** src/primary.ts collects this often. */
const COLLECT_EVERY_MS = 5000;
const BYTES = Buffer.from('/request?request_id=123456');
const KEY_START = 20;

const counters = new Counters();
const totals = emptyTotals();
/** What the loops see goes here, so that none of it is optimized away. */
const sink = new Float64Array(1);

/** A target of its own, as the parser makes one. */
function targetOf(request: number): string {
  BYTES[BYTES.length - 1] = 48 + (request % 10);
  return BYTES.toString('latin1');
}

function bare(): void {
  for (let request = 0; request < REQUESTS; request++) sink[0]! += targetOf(request).length;
}

/** As exchange/exchange.ts does, in its order. */
function counted(): void {
  for (let request = 0; request < REQUESTS; request++) {
    const target = targetOf(request);
    sink[0]! += target.length;
    const startedMs = systemClock.nowMs();
    const slotId = request % SLOTS.length;
    const slot = counters.of(slotId, SLOTS[slotId]!, 'r');
    slot.inFlight++;
    slot.answered(200, target, KEY_START, target.length);
    slot.inFlight--;
    slot.tookUs(Math.round((systemClock.nowMs() - startedMs + (request & 1023) / 100) * 1000));
    counters.requests++;
  }
}

/** Worker and primary; the channel between them copies as `serialize` does. */
function handedIn(): void {
  mergeDelta(totals, deserialize(serialize(counters.collect())) as CountersDelta);
}

/** Microseconds of CPU time that torc spends on a request: the middle of three rounds. */
function torcsRequestUs(options: BenchOptions): Promise<number> {
  return withTargets(scalable, { ...options, only: ['torc'] }, async bench => {
    await warmUp(bench, options.full ? 12 : 4, options.progress);
    const round = (): Promise<Sample> => bench.closed(bench.targets[0]!, 2);
    return merge([await round(), await round(), await round()]).cpuUsPerRequest;
  });
}

export async function histogram(options: BenchOptions): Promise<object[]> {
  const [bareUs, countedUs, handedInUs]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    bareUs.push(ownCpuUs(bare));
    countedUs.push(ownCpuUs(counted));
    handedInUs.push(ownCpuUs(handedIn));
  }
  const countingUs = (median(countedUs) - median(bareUs)) / REQUESTS;
  const collectionMs = median(handedInUs) / 1000;
  const requestUs = await torcsRequestUs(options);
  const share = countingUs / requestUs + collectionMs / COLLECT_EVERY_MS;
  return [
    {
      'counting, ns/request': Math.round(1000 * countingUs),
      'collection, ms every 5 s': Number(collectionMs.toFixed(1)),
      'torc, us/request': Number(requestUs.toFixed(1)),
      'share, %': Number((100 * share).toFixed(2)),
    },
  ];
}
