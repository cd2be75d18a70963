// The numbers behind docs/decisions/0002-default-ring.md: `node native-free-bench/ring-study.ts` prints them as Markdown.
// Balance is max/mean of 10,000 keys a set: for one set it is mostly luck (10,000 dice on 6 slots are 3 % off by
// chance), so random ids and paths are means over 20 sets; `rows` is what endlessly many keys would see, `names` the same
// over 20 other sets of slot names, because one set of names is luck, too.
// Movement is the share of rows whose owner changes, against the least possible. All but the times is deterministic.

import { balanceOf, keysPerSlot, rowsPerSlot } from '../src/analysis/balance.ts';
import { remapOf } from '../src/analysis/remap.ts';
import { seededRandom } from '../src/core/random.ts';
import type { RingAlgorithm } from '../src/core/types.ts';
import { createTableBuilder, rowsOf } from '../src/ring/build.ts';
import { avalanche, keyHashFor, murmurHash } from '../src/ring/hash.ts';
import { CHOICES, type KeyHash, type RingSlot, type Table } from '../src/ring/table.ts';
import { fnv1a } from './analyze/hashes.ts';

const ROWS = 65_536;
const KEYS = 10_000;
const SETS = 20;
const SIZES = [3, 6, 20, 100];
const ALGORITHMS: readonly RingAlgorithm[] = ['rendezvous', 'ring', 'maglev', 'assignment', 'seed'];

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const slotsOf = (count: number): RingSlot[] =>
  Array.from({ length: count }, (_, id) => ({ id, name: String(id + 1) }));
const sets = (make: (set: number) => string[]): string[][] =>
  Array.from({ length: SETS }, (_, set) => make(set));

const sequential = Array.from({ length: KEYS }, (_, index) => String(index + 1));
const randomIds = sets(set => {
  const random = seededRandom(set + 1);
  return Array.from({ length: KEYS }, () => String(100_000 + Math.floor(random() * 900_000)));
});
const paths = sets(set =>
  Array.from({ length: KEYS }, (_, index) => `/api/v1/users/${set * KEYS + index}/posts?page=${index % 7}`),
);

interface Timed<T> {
  readonly value: T;
  readonly ms: number;
}

function timed<T>(work: () => T): Timed<T> {
  const startMs = performance.now();
  return { value: work(), ms: performance.now() - startMs };
}

/** The middle of five: the machine is shared, and the first runs are not compiled yet. */
function medianMs(work: () => number): number {
  return Array.from({ length: 5 }, work).sort((a, b) => a - b)[2]!;
}

function ringRow(algorithm: RingAlgorithm, count: number): string {
  const keyHash = keyHashFor(algorithm);
  const slots = slotsOf(count);
  const build = (size: number): Table => createTableBuilder(algorithm, ROWS).update(slotsOf(size));
  const table = build(count);
  const maxToMean = (keys: string[]): number => balanceOf(keysPerSlot(table, keyHash, slots, keys)).maxToMean;
  const meanOf = (keySets: string[][]): number =>
    keySets.reduce((sum, keys) => sum + maxToMean(keys), 0) / SETS;
  const balances = [
    maxToMean(sequential),
    meanOf(randomIds),
    meanOf(paths),
    balanceOf(rowsPerSlot(table, slots)).maxToMean,
  ];
  const moves = [count + 1, count - 1].map(size => {
    if (size > createTableBuilder(algorithm, ROWS).maxSlots) return '-';
    const { moved, optimum } = remapOf({ table, slots }, { table: build(size), slots: slotsOf(size) });
    return `${percent(moved)} (${percent(optimum)})`;
  });
  return [
    algorithm,
    ...balances.map(value => value.toFixed(3)),
    namesLuck(algorithm, count),
    ...moves,
    ...times(algorithm, count),
  ].join(' | ');
}

/** max/mean of the rows over other sets of names: mean and worst. */
function namesLuck(algorithm: RingAlgorithm, count: number): string {
  const values = Array.from({ length: SETS }, (_, set) => {
    const slots = slotsOf(count).map(({ id, name }) => ({ id, name: `set${set}-${name}` }));
    return balanceOf(rowsPerSlot(createTableBuilder(algorithm, ROWS).update(slots), slots)).maxToMean;
  });
  const mean = values.reduce((sum, value) => sum + value, 0) / SETS;
  return `${mean.toFixed(3)}, ${Math.max(...values).toFixed(3)}`;
}

/** Milliseconds of a build from nothing, of one slot less and of one slot more. */
function times(algorithm: RingAlgorithm, count: number): string[] {
  const fresh = medianMs(() => timed(() => createTableBuilder(algorithm, ROWS).update(slotsOf(count))).ms);
  const builder = createTableBuilder(algorithm, ROWS);
  builder.update(slotsOf(count));
  const less: number[] = [];
  const more = medianMs(() => {
    less.push(timed(() => builder.update(slotsOf(count - 1))).ms);
    return timed(() => builder.update(slotsOf(count))).ms;
  });
  const lessMedian = less.sort((a, b) => a - b)[2]!;
  return [fresh, lessMedian, more].map(ms => ms.toFixed(1));
}

/** Variance to mean of 10,000 keys over 1024 low-bit buckets: 1 is what chance gives, more is clustering. */
function clustering(keyHash: KeyHash, keys: readonly string[]): number {
  const counts = new Array<number>(1024).fill(0);
  for (const key of keys) counts[keyHash(key, 0, key.length) & 1023]!++;
  const { stdev, mean } = balanceOf(counts);
  return stdev ** 2 / mean;
}

const fnv1aMixed: KeyHash = (text, start, end) => avalanche(fnv1a(text, start, end));

print('| hash | clustering: sequential | random ids | paths |');
print('|---|---|---|---|');
const hashes: Record<string, KeyHash> = { 'FNV-1a': fnv1a, 'FNV-1a, mixed': fnv1aMixed, Murmur3: murmurHash };
for (const [name, keyHash] of Object.entries(hashes)) {
  const clusterings = [sequential, randomIds[0]!, paths[0]!].map(keys =>
    clustering(keyHash, keys).toFixed(2),
  );
  print(`| ${[name, ...clusterings].join(' | ')} |`);
}

for (const count of SIZES) {
  print(`\nN = ${count}\n`);
  print(
    `| ring | 1..${KEYS} | random ids | paths | rows | names: mean, worst | moved, N+1 (least) | moved, N-1 (least) | build ms | -1 ms | +1 ms |`,
  );
  print('|---|---|---|---|---|---|---|---|---|---|---|');
  for (const algorithm of ALGORITHMS) {
    if (count <= createTableBuilder(algorithm, ROWS).maxSlots) print(`| ${ringRow(algorithm, count)} |`);
  }
}

const sizes = ALGORITHMS.map(algorithm => `${algorithm} ${rowsOf(algorithm, ROWS)}`).join(', ');
print(`\nRows: ${sizes}; ${CHOICES} choices a row; Node ${process.version}`);
