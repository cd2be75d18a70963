// A-4, and every number that needs no wire: which ring, which key hash H, which point hash Phi and how many points. A
// request goes where its hash and the table say (the report shows that torc on the wire agrees to the request), so these
// run over the ring code itself, for every N at once. All but the times is a function of the seed.

import { type Balance, balanceOf, keysPerSlot, placesPerSlot } from '../../src/analysis/balance.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { keyHashFor, murmurHash } from '../../src/ring/hash.ts';
import { CHOICES, type KeyHash, type RingSlot, type Table } from '../../src/ring/table.ts';
import { median } from '../harness/cpu.ts';
import { assignmentPhi, circleTable, hashedPhi, type PointHash } from './circle.ts';
import { HASH_NAMES, HASHES, type HashName } from './hashes.ts';

export const RINGS: readonly RingAlgorithm[] = ['rendezvous', 'ring', 'maglev', 'assignment', 'seed'];
export const SIZES = [2, 3, 4, 5, 6] as const;
export const ROWS = 65_536;
export const POINTS = [1, 3, 9, 20, 40, 80, 160, 320, 640, 1280] as const;

const ASSIGNMENT_PLACES = 512;
const ASSIGNMENT_POINTS = 9;
/** Other names for the same slots: one set of names is one throw of the dice. */
const NAME_SETS = 20;
const CHANCE_THROWS = 200;
const TIMED_BUILDS = 5;
const LOOKUP_ROUNDS = 40;

export interface Spread {
  readonly n: number;
  readonly counts: readonly number[];
  readonly maxToMean: number;
  readonly stdev: number;
}

export interface Movement {
  readonly from: number;
  readonly to: number;
  /** Share of the keys whose slot changes, and the least that a balanced ring must move. */
  readonly moved: number;
  readonly optimum: number;
  /** Share of the keys that go from one slot that stays to another: 0 is what consistent hashing promises. */
  readonly needless: number;
}

export interface RingRow {
  readonly ring: RingAlgorithm;
  readonly rows: number;
  readonly sequential: readonly Spread[];
  readonly random: readonly Spread[];
  readonly movements: readonly Movement[];
  readonly lookupNs: number;
  readonly bytes: number;
  readonly buildMs: number;
}

export interface HashCell {
  readonly ring: RingAlgorithm;
  readonly hash: HashName;
  readonly sequential: readonly Spread[];
  readonly random: readonly Spread[];
}

export interface PhiCell {
  readonly h: HashName;
  readonly phi: HashName;
  readonly sequential: readonly Spread[];
}

export interface HashRow {
  readonly hash: HashName;
  readonly ns: number;
  /** Variance to mean over the low 10 bits: 1 is what chance gives, more is clustering, less is a counter's regularity. */
  readonly clustering: number;
  /** Rows of a table of 65,536 that 10,000 keys reach; chance reaches 9,273. */
  readonly rowsReached: number;
}

export interface PointRow {
  readonly points: number;
  readonly n: number;
  /** max/mean of the rows over 20 sets of names. */
  readonly mean: number;
  readonly worst: number;
  readonly buildMs: number;
}

export interface Offline {
  readonly chance: readonly { readonly n: number; readonly maxToMean: number }[];
  readonly rings: readonly RingRow[];
  readonly hashes: readonly HashRow[];
  readonly ringByHash: readonly HashCell[];
  readonly hByPhi: readonly PhiCell[];
  readonly points: readonly PointRow[];
}

/** The two sets of keys: counters and 6-digit random ids. */
export interface KeySets {
  readonly sequential: readonly string[];
  readonly random: readonly string[];
}

export const slotsOf = (count: number): RingSlot[] =>
  Array.from({ length: count }, (_, id) => ({ id, name: String(id + 1) }));

const build = (ring: RingAlgorithm, n: number): Table => createTableBuilder(ring, ROWS).update(slotsOf(n));

/** A table depends on ring and size alone, and each is wanted many times. */
const built = new Map<string, Table>();

function tableOf(ring: RingAlgorithm, n: number): Table {
  const name = `${ring} ${n}`;
  const table = built.get(name) ?? build(ring, n);
  built.set(name, table);
  return table;
}

export function studyRings(keys: KeySets, seed: number): Offline {
  return {
    chance: SIZES.map(n => ({ n, maxToMean: chanceOf(n, keys.sequential.length, seed) })),
    rings: RINGS.map(ring => ringRow(ring, keys)),
    hashes: HASH_NAMES.map(hash => hashRow(hash, keys)),
    ringByHash: RINGS.flatMap(ring => HASH_NAMES.map(hash => hashCell(ring, hash, keys))),
    hByPhi: HASH_NAMES.flatMap(h => HASH_NAMES.map(phi => phiCell(h, phi, keys))),
    points: [3, 6].flatMap(n => POINTS.map(points => pointRow(points, n))),
  };
}

/** Where the ring code itself sends the keys: what the wire must agree with. */
export function predicted(ring: RingAlgorithm, n: number, keys: readonly string[]): number[] {
  return keysPerSlot(tableOf(ring, n), keyHashFor(ring), slotsOf(n), keys);
}

export function spreadOf(counts: readonly number[]): Spread {
  const { slots, maxToMean, stdev }: Balance = balanceOf(counts);
  return { n: slots, counts, maxToMean, stdev };
}

function ringRow(ring: RingAlgorithm, keys: KeySets): RingRow {
  const table = tableOf(ring, 3);
  const hash = keyHashFor(ring);
  const changes = [
    [3, 4],
    [3, 2],
    [6, 7],
    [6, 5],
  ] as const;
  return {
    ring,
    rows: table.rows,
    ...spreads(n => tableOf(ring, n), hash, keys),
    movements: changes.map(([from, to]) => movement(ring, from, to, keys.sequential)),
    lookupNs: nsPerKey(keys.random, key => table.choices[(hash(key, 0, key.length) & table.mask) * CHOICES]!),
    bytes: table.choices.byteLength,
    buildMs: medianMs(() => build(ring, 3)),
  };
}

function spreads(
  tableFor: (n: number) => Table,
  hash: KeyHash,
  keys: KeySets,
): { readonly sequential: Spread[]; readonly random: Spread[] } {
  const tables = SIZES.map(n => ({ table: tableFor(n), slots: slotsOf(n) }));
  const over = (set: readonly string[]): Spread[] =>
    tables.map(({ table, slots }) => spreadOf(keysPerSlot(table, hash, slots, set)));
  return { sequential: over(keys.sequential), random: over(keys.random) };
}

function movement(ring: RingAlgorithm, from: number, to: number, keys: readonly string[]): Movement {
  const before = ownersOf(tableOf(ring, from), keyHashFor(ring), keys);
  const after = ownersOf(tableOf(ring, to), keyHashFor(ring), keys);
  const kept = Math.min(from, to);
  let moved = 0;
  let needless = 0;
  for (let index = 0; index < keys.length; index++) {
    if (before[index] === after[index]) continue;
    moved++;
    if (before[index]! < kept && after[index]! < kept) needless++;
  }
  const optimum = 1 / Math.max(from, to);
  return { from, to, moved: moved / keys.length, optimum, needless: needless / keys.length };
}

const ownersOf = (table: Table, hash: KeyHash, keys: readonly string[]): number[] =>
  keys.map(key => table.choices[(hash(key, 0, key.length) & table.mask) * CHOICES]!);

function hashRow(name: HashName, keys: KeySets): HashRow {
  const hash = HASHES[name];
  const buckets = new Array<number>(1024).fill(0);
  const reached = new Set<number>();
  for (const key of keys.sequential) {
    const value = hash(key, 0, key.length);
    buckets[value & 1023]!++;
    reached.add(value & (ROWS - 1));
  }
  const { mean, stdev } = balanceOf(buckets);
  return {
    hash: name,
    ns: nsPerKey(keys.random, key => hash(key, 0, key.length)),
    clustering: stdev ** 2 / mean,
    rowsReached: reached.size,
  };
}

const hashCell = (ring: RingAlgorithm, hash: HashName, keys: KeySets): HashCell => ({
  ring,
  hash,
  ...spreads(n => tableOf(ring, n), HASHES[hash], keys),
});

function phiCell(h: HashName, phi: HashName, keys: KeySets): PhiCell {
  const points: PointHash = phi === 'assignment H' ? assignmentPhi : hashedPhi(HASHES[phi]);
  const circle = (n: number): Table => circleTable(slotsOf(n), ASSIGNMENT_PLACES, ASSIGNMENT_POINTS, points);
  return { h, phi, sequential: spreads(circle, HASHES[h], keys).sequential };
}

function pointRow(points: number, n: number): PointRow {
  const phi = hashedPhi(murmurHash);
  const values = Array.from({ length: NAME_SETS }, (_, set) => {
    const slots = slotsOf(n).map(({ id, name }) => ({ id, name: `set${set}-${name}` }));
    return balanceOf(placesPerSlot(circleTable(slots, ROWS, points, phi), slots)).maxToMean;
  });
  return {
    points,
    n,
    mean: values.reduce((sum, value) => sum + value, 0) / NAME_SETS,
    worst: Math.max(...values),
    buildMs: medianMs(() => circleTable(slotsOf(n), ROWS, points, phi)),
  };
}

/** Mean max/mean of as many perfectly random throws on n slots: no hash goes below it but by luck. */
export function chanceOf(n: number, throws: number, seed: number): number {
  const random = seededRandom(seed);
  let sum = 0;
  for (let set = 0; set < CHANCE_THROWS; set++) {
    const counts = new Array<number>(n).fill(0);
    for (let index = 0; index < throws; index++) counts[Math.floor(random() * n)]!++;
    sum += balanceOf(counts).maxToMean;
  }
  return sum / CHANCE_THROWS;
}

/** What the timed work returns goes here, so that it is not optimized away. */
const sink = new Int32Array(1);

/** The best of a few rounds: the others were disturbed or not compiled yet. */
function nsPerKey(keys: readonly string[], work: (key: string) => number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < LOOKUP_ROUNDS; round++) {
    const startMs = performance.now();
    for (const key of keys) sink[0]! ^= work(key);
    best = Math.min(best, ((performance.now() - startMs) * 1e6) / keys.length);
  }
  return best;
}

function medianMs(work: () => Table): number {
  const times = Array.from({ length: TIMED_BUILDS }, () => {
    const startMs = performance.now();
    sink[0]! ^= work().rows;
    return performance.now() - startMs;
  });
  return median(times);
}
