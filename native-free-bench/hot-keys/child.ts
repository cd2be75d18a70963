// One sketch in a process of its own, so that V8 compiles the loop for it alone. Run by hot-keys.ts as child.ts SUBJECT,
// answers by message: `round` with the nanoseconds (CPU time) that a request's hash, pick and count take, `truth` with how
// true the sketch is after two minutes of Zipf's traffic beside exact counts that decay alike.

import { seededRandom } from '../../src/core/random.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { murmurHash } from '../../src/ring/hash.ts';
import { makeTable } from '../../src/ring/table.ts';
import { HotKeys } from '../../src/routing/hot-keys.ts';
import { type Pickable, pick } from '../../src/routing/pick.ts';
import { ownCpuUs } from '../harness/cpu.ts';
import { HeapSaving } from './heap-saving.ts';
import { HeavyKeeper } from './heavy-keeper.ts';
import { keyOf, zipf } from './stream.ts';

export interface Question {
  readonly what: 'round' | 'truth';
  readonly requests: number;
  readonly exponent: number;
}

export interface Truth {
  /** Of the true top 10. */
  readonly found: number;
  readonly worst: number;
}

interface Sketch {
  count(hash: number, text: string, start: number, end: number): void;
  tick(nowMs: number): void;
  shares(): Map<string, number>;
}

const KEYS = 1_000_000;
const ENTRIES = 1024;
const SECONDS = 120;
const HALF_LIFE_S = 30;
const SLOTS = 10;

class Sets extends HotKeys {
  shares(): Map<string, number> {
    const { keys, all } = this.report(SECONDS * 1000);
    return new Map(keys.map(({ text, perS }) => [text, perS / all.perS]));
  }
}

const makers: Record<string, () => Sketch | null> = {
  none: () => null,
  sets: () => new Sets(0, ENTRIES),
  heap: () => new HeapSaving(0, ENTRIES),
  'heavy-keeper': () => new HeavyKeeper(0, ENTRIES, 100, seededRandom(1)),
};

const make = makers[process.argv[2] ?? '']!;
const slots = Array.from({ length: SLOTS }, (_, id) => ({ id, name: String(id + 1) }));
const built = createTableBuilder('rendezvous', 65_536).update(slots);
const idle = slots.map(() => ({ inFlight: 0 }));
const snapshot: Pickable = {
  table: makeTable('rendezvous', built.choices),
  usable: new Uint8Array(SLOTS).fill(1),
  usableCount: SLOTS,
  slowStart: null,
  weights: { of: new Float64Array(SLOTS).fill(1), sum: SLOTS },
  ids: slots.map(({ id }) => id),
  upstreams: idle,
};
const sink = new Int32Array(1);
const NONE_TRIED: readonly number[] = [];
const sketch = make();
const streams = new Map<number, string[]>();

/** Targets are made beforehand: to draw one takes longer than to count it. */
function targetsOf(exponent: number, requests: number): string[] {
  let targets = streams.get(exponent);
  if (targets === undefined) {
    const draw = zipf(KEYS, exponent, 7);
    targets = Array.from({ length: requests }, () => `${keyOf(draw())}?page=2`);
    streams.set(exponent, targets);
  }
  return targets;
}

function route(target: string): void {
  const end = target.indexOf('?');
  const hash = murmurHash(target, 0, end);
  sketch?.count(hash, target, 0, end);
  sink[0]! ^= pick(snapshot, hash, NONE_TRIED, 0, 0);
}

function round({ requests, exponent }: Question): number {
  const targets = targetsOf(exponent, requests);
  return (
    (ownCpuUs(() => {
      for (let index = 0; index < targets.length; index++) {
        if (index % 4096 === 0) sketch?.tick(index / 20);
        route(targets[index]!);
      }
    }) *
      1000) /
    requests
  );
}

function truth({ requests, exponent }: Question): Truth {
  const asked = make();
  if (asked === null) return { found: 0, worst: 0 };
  const draw = zipf(KEYS, exponent, 11);
  const exact = new Float64Array(KEYS);
  let sum = 0;
  for (let index = 0; index < requests; index++) {
    const second = (SECONDS * index) / requests;
    if (index % 1024 === 0) asked.tick(second * 1000);
    const rank = draw();
    const weight = 2 ** (second / HALF_LIFE_S);
    exact[rank]! += weight;
    sum += weight;
    const key = keyOf(rank);
    asked.count(murmurHash(key, 0, key.length), key, 0, key.length);
  }
  const shares = asked.shares();
  const top = [...exact.keys()].sort((a, b) => exact[b]! - exact[a]!).slice(0, 10);
  const told = top.map(rank => (shares.get(keyOf(rank)) ?? 0) / (exact[rank]! / sum));
  return {
    found: told.filter(ratio => ratio > 0).length,
    worst: Math.max(...told.map(ratio => Math.abs(ratio - 1))),
  };
}

process.on('message', (question: Question) =>
  process.send!(question.what === 'round' ? round(question) : truth(question)),
);
