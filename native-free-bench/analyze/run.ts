// The four analyses, one after the other, on the real torc: what was measured, as plain data (results.json is this and
// nothing else). How it is told is report.ts, how it is drawn charts.ts.

import { cpus } from 'node:os';
import { askEverything, type Exchange } from './endpoints.ts';
import { breakReplica, type Failure } from './failure.ts';
import { type Load, randomKeys, sendAll, sequentialKeys } from './load.ts';
import { type KeySets, type Offline, predicted, SIZES, studyRings } from './rings.ts';
import { type Fault, Torc } from './torc.ts';

export interface Options {
  readonly requests: number;
  readonly seed: number;
  readonly driver: string;
  /** How often a replica is killed; the other faults come once. */
  readonly kills: number;
  readonly say: (line: string) => void;
}

/** One set of keys sent through torc, beside where the ring code sends them. */
export interface Run {
  readonly n: number;
  readonly counts: readonly number[];
  readonly predicted: readonly number[];
  readonly load: Load;
  /** How many torc itself counted (/requests/ID, all slots). */
  readonly countedByTorc: number;
  /** Earlier tries in which a slot was out of routing for a while, so that its keys went elsewhere: why, in torc's words. */
  readonly disturbed: readonly string[];
}

export interface Results {
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  readonly driver: string;
  readonly requests: number;
  readonly seed: number;
  readonly tookS: number;
  readonly a1: { readonly sequential: Run; readonly random: Run };
  readonly replays: { readonly seed: Run; readonly assignment: Run };
  readonly a2: readonly { readonly n: number; readonly sequential: Run; readonly random: Run }[];
  readonly a3: { readonly exchanges: readonly Exchange[]; readonly failures: readonly Failure[] };
  readonly a4: Offline;
}

const WARM_UP = 2000;
const TRIES = 3;
const HEAL_TIMEOUT_MS = 30_000;

export async function analyze(options: Options): Promise<Results> {
  const startMs = performance.now();
  const { requests, seed, say } = options;
  const keys: KeySets = { sequential: sequentialKeys(requests), random: randomKeys(requests, seed) };
  say('starting torc with 3 replicas');
  const torc = await Torc.start({
    TORC_DRIVER: options.driver,
    TORC_REPLICAS: '3',
    TORC_COMPAT: 'assignment',
  });
  try {
    say(`driver ${torc.driver}; warming up`);
    await sendAll(torc, sequentialKeys(Math.min(WARM_UP, requests)));
    const a1 = await analyzeCounts(torc, keys, say);
    const a2 = await analyzeSizes(torc, keys, say);
    await torc.resize(3);
    say('A-3: every endpoint');
    const exchanges = await askEverything(torc);
    const failures = await analyzeFailures(torc, options);
    await torc.stop();
    const replays = {
      seed: await replay('seed', keys.sequential, options),
      assignment: await replay('assignment', keys.sequential, options),
    };
    say('A-4: rings, hashes, points');
    const a4 = studyRings(keys, seed);
    return {
      date: new Date().toISOString().slice(0, 10),
      node: process.version,
      cores: cpus().length,
      driver: torc.driver,
      requests,
      seed,
      tookS: Math.round((performance.now() - startMs) / 1000),
      a1,
      replays,
      a2,
      a3: { exchanges, failures },
      a4,
    };
  } finally {
    await torc.stop();
  }
}

async function analyzeCounts(torc: Torc, keys: KeySets, say: (line: string) => void): Promise<Results['a1']> {
  say(`A-1: N = 3, ${keys.sequential.length} requests, ids 1, 2, 3, ...`);
  const sequential = await run(torc, 3, keys.sequential);
  say(`A-1: N = 3, ${keys.random.length} requests, random 6-digit ids`);
  return { sequential, random: await run(torc, 3, keys.random) };
}

async function analyzeSizes(torc: Torc, keys: KeySets, say: (line: string) => void): Promise<Results['a2']> {
  const a2 = [];
  for (const n of SIZES) {
    await torc.resize(n);
    say(`A-2: N = ${n}`);
    a2.push({ n, sequential: await run(torc, n, keys.sequential), random: await run(torc, n, keys.random) });
  }
  return a2;
}

async function analyzeFailures(torc: Torc, { kills, seed, say }: Options): Promise<Failure[]> {
  const faults: Fault[] = [...Array.from({ length: kills }, (): Fault => 'kill'), 'terminate', 'hang'];
  if (torc.driver === 'docker') faults.push('remove');
  const failures: Failure[] = [];
  for (const fault of faults) {
    say(`A-3: ${fault} a replica`);
    failures.push(await breakReplica(torc, fault, seed));
  }
  return failures;
}

/** A historical ring on the wire: a torc of its own, because the ring is chosen at the start. */
async function replay(
  ring: 'seed' | 'assignment',
  keys: readonly string[],
  { driver, say }: Options,
): Promise<Run> {
  say(`the ${ring} ring on the wire`);
  const torc = await Torc.start({ TORC_DRIVER: driver, TORC_RING: ring });
  try {
    return await run(torc, 3, keys, ring);
  } finally {
    await torc.stop();
  }
}

/** A busy machine can make torc take a slot for dead; then its keys go elsewhere for a moment, and the run is repeated. */
async function run(
  torc: Torc,
  n: number,
  keys: readonly string[],
  ring: 'rendezvous' | 'seed' | 'assignment' = 'rendezvous',
): Promise<Run> {
  const expected = predicted(ring, n, keys);
  const disturbed: string[] = [];
  for (let left = TRIES; ; left--) {
    const seen = torc.events.length;
    const before = await countedByTorc(torc);
    const load = await sendAll(torc, keys);
    const counted = (await countedByTorc(torc)) - before;
    const counts = expected.map((_, index) => load.counts[String(index + 1)] ?? 0);
    const run = { n, counts, predicted: expected, load, countedByTorc: counted, disturbed };
    if (left === 1 || faultOf(run) === null) return run;
    const outs = torc.events.slice(seen).filter(event => event.ejectedMs !== undefined);
    disturbed.push(...outs.map(event => `slot ${event.slot}: ${event.cause}`));
    await torc.allReady(n, HEAL_TIMEOUT_MS);
  }
}

/** What is wrong with a run; null if every request was answered by the slot that owns its key. */
function faultOf({ load, counts, predicted: expected }: Run): string | null {
  if (load.failed > 0) return `${load.failed} requests failed`;
  const same = counts.every((count, index) => count === expected[index]);
  return same ? null : `${counts.join('/')} answered, ${expected.join('/')} expected`;
}

/** The sum of torc's own exact counts (/requests/ID). */
async function countedByTorc(torc: Torc): Promise<number> {
  let sum = 0;
  for (const slot of await torc.slots()) {
    const { text } = await torc.ask('GET', `/requests/${slot.name}`);
    sum += (JSON.parse(text) as { count: number }).count;
  }
  return sum;
}

/** All runs by name, as the report lists them. */
export function runsOf({ a1, a2, replays }: Results): [string, Run][] {
  return [
    ['A-1, ids in order', a1.sequential],
    ['A-1, random ids', a1.random],
    ...a2.flatMap(({ n, sequential, random }): [string, Run][] => [
      [`A-2, N = ${n}, ids in order`, sequential],
      [`A-2, N = ${n}, random ids`, random],
    ]),
    ['the seed ring', replays.seed],
    ['the assignment ring', replays.assignment],
  ];
}

/** Requests that were lost, or answered by another slot than the ring says; none on a healthy run. */
export function faultsOf(results: Results): string[] {
  return runsOf(results).flatMap(([name, run]) => {
    const fault = faultOf(run);
    return fault === null ? [] : [`${name}: ${fault}`];
  });
}
