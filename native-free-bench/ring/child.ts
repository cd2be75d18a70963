// One ring in a process of its own, so that V8 compiles its lookup for it alone and the heap holds nothing else. Run by
// ring.ts with --expose-gc as: child.ts SUBJECT WORK(JSON); answers, by message, `facts` (what needs no turn-taking) and
// `lookups` (one round) of a number of slots. Times are CPU time of the whole process, the collector's helpers
// included: what the ring takes from the machine, however busy that is.

import { seededRandom } from '../../src/core/random.ts';
import { median, ownCpuUs } from '../harness/cpu.ts';
import { SUBJECTS } from './subjects.ts';
import type { Ring } from './torc-ring.ts';

export interface Work {
  /** Sets of keys, and of names, over which balance is averaged. */
  readonly sets: number;
  readonly builds: number;
  /** How many keys stand for endlessly many. */
  readonly manyKeys: number;
  /** Of one round, for each of the two sets of keys. */
  readonly lookups: number;
}

export interface Question {
  readonly what: 'facts' | 'lookups';
  readonly n: number;
}

export interface Facts {
  readonly bytes: number;
  readonly buildMs: number;
  /** Null where the ring cannot have one slot more. */
  readonly addMs: number | null;
  readonly removeMs: number;
  /** max/mean of 10,000 keys: 1, 2, 3, ...; random ids and paths, each the mean of all sets. */
  readonly inOrder: number;
  readonly random: number;
  readonly paths: number;
  /** max/mean of many keys, over other names for the same slots. */
  readonly namesMean: number;
  readonly namesWorst: number;
  /** Share of many keys that change their slot. */
  readonly movedByAdd: number | null;
  readonly movedByRemove: number;
}

/** Nanoseconds a lookup. */
export interface Lookups {
  readonly few: number;
  readonly many: number;
}

const KEYS = 10_000;
const FEW_KEYS = 1000;
const CACHED_KEYS = 5000;

const [subjectName = '', workText = ''] = process.argv.slice(2);
const subject = SUBJECTS.find(({ name }) => name === subjectName)!;
const makeRing = await subject.load();
const work = JSON.parse(workText) as Work;
const collectGarbage = globalThis.gc!;

const namesOf = (count: number, prefix = ''): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
const randomIds = (count: number, seed: number): string[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => String(100_000 + Math.floor(random() * 900_000)));
};
const pathsOf = (set: number): string[] =>
  Array.from({ length: KEYS }, (_, index) => `/api/v1/users/${set * KEYS + index}/posts?page=${index % 7}`);

const inOrder = namesOf(KEYS);
const manyKeys = randomIds(work.manyKeys, 1);
const fewKeys = manyKeys.slice(0, FEW_KEYS);
const sets = Array.from({ length: work.sets }, (_, set) => set);
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** What is looked up goes here, so that no lookup is optimized away; it allocates nothing. */
const sink = new Int32Array(1);

function look(ring: Ring, keys: readonly string[], lookups: number): void {
  let index = 0;
  for (let left = lookups; left > 0; left--) {
    sink[0]! ^= ring.get(keys[index]!).length;
    if (++index === keys.length) index = 0;
  }
}

/** A change ends with the first lookup: consistent-hash sorts its points only then. */
function make(names: readonly string[]): Ring {
  const ring = makeRing(names);
  look(ring, fewKeys, 1);
  return ring;
}

const changeMs = (ring: Ring, change: () => void): number =>
  ownCpuUs(() => {
    change();
    look(ring, fewKeys, 1);
  }) / 1000;

function times(ring: Ring, n: number): Pick<Facts, 'buildMs' | 'addMs' | 'removeMs'> {
  const names = namesOf(n);
  const builds: number[] = [];
  const adds: number[] = [];
  const removes: number[] = [];
  for (let build = 0; build < work.builds; build++) {
    builds.push(ownCpuUs(() => void make(names)) / 1000);
    if (subject.holds(n + 1)) {
      adds.push(changeMs(ring, () => ring.add(String(n + 1))));
      ring.remove(String(n + 1));
    }
    removes.push(changeMs(ring, () => ring.remove(String(n))));
    ring.add(String(n));
  }
  return {
    buildMs: median(builds),
    addMs: adds.length === 0 ? null : median(adds),
    removeMs: median(removes),
  };
}

/** A ring whose cache, if it has one, is full. A function of its own, so that nothing of it stays on the caller's stack. */
function filled(names: readonly string[]): Ring {
  const ring = make(names);
  look(ring, manyKeys, CACHED_KEYS);
  return ring;
}

function heldBytes(): number {
  // V8 frees typed arrays beside the program, and counts them off at the next collection.
  for (let times = 0; times < 3; times++) collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Heap and typed arrays of a ring; of small ones many are made, so that what else the heap does counts for little. */
function bytesOf(n: number): number {
  const names = namesOf(n);
  filled(names);
  const before = heldBytes();
  const rings = Array.from({ length: Math.ceil(100 / n) }, () => filled(names));
  const bytes = (heldBytes() - before) / rings.length;
  for (const ring of rings) look(ring, fewKeys, 1);
  return bytes;
}

function maxToMean(ring: Ring, n: number, keys: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const owner = ring.get(key);
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  return (Math.max(...counts.values()) / keys.length) * n;
}

type Balances = Pick<Facts, 'inOrder' | 'random' | 'paths' | 'namesMean' | 'namesWorst'>;

function balances(ring: Ring, n: number): Balances {
  const otherNames = sets.map(set => maxToMean(make(namesOf(n, `set${set}-`)), n, manyKeys));
  return {
    inOrder: maxToMean(ring, n, inOrder),
    random: mean(sets.map(set => maxToMean(ring, n, randomIds(KEYS, set + 1)))),
    paths: mean(sets.map(set => maxToMean(ring, n, pathsOf(set)))),
    namesMean: mean(otherNames),
    namesWorst: Math.max(...otherNames),
  };
}

function movements(ring: Ring, n: number): Pick<Facts, 'movedByAdd' | 'movedByRemove'> {
  const owners = (): string[] => manyKeys.map(key => ring.get(key));
  const before = owners();
  const moved = (): number =>
    owners().filter((owner, index) => owner !== before[index]).length / manyKeys.length;
  let movedByAdd: number | null = null;
  if (subject.holds(n + 1)) {
    ring.add(String(n + 1));
    movedByAdd = moved();
    ring.remove(String(n + 1));
  }
  ring.remove(String(n));
  const movedByRemove = moved();
  ring.add(String(n));
  return { movedByAdd, movedByRemove };
}

function facts(n: number): Facts {
  // consistent-hash draws its points by Math.random: the same ones in each run, so that its figures can be checked.
  Math.random = seededRandom(n);
  const ring = make(namesOf(n));
  // `times` last: how often it changes the ring depends on the size of the run.
  return { ...balances(ring, n), ...movements(ring, n), ...times(ring, n), bytes: bytesOf(n) };
}

let measured: { readonly n: number; readonly ring: Ring } | null = null;

function lookups(n: number): Lookups {
  if (measured?.n !== n) {
    measured = { n, ring: make(namesOf(n)) };
    look(measured.ring, manyKeys, work.lookups);
  }
  const { ring } = measured;
  const nsOf = (keys: readonly string[]): number => {
    // What a cache can hold, it holds.
    look(ring, keys, FEW_KEYS);
    return (ownCpuUs(() => look(ring, keys, work.lookups)) * 1000) / work.lookups;
  };
  return { few: nsOf(fewKeys), many: nsOf(manyKeys) };
}

process.on('message', ({ what, n }: Question) => process.send!(what === 'facts' ? facts(n) : lookups(n)));
