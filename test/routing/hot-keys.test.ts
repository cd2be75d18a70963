// Hot keys are told as they are: Zipf's traffic over two workers beside exact counts, a burst, what brings no key, keys of
// any length, and time that goes on for days. Streams are seeded, time is a number.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keyOf, zipf } from '../../native-free-bench/hot-keys/stream.ts';
import { seededRandom } from '../../src/core/random.ts';
import { murmurHash } from '../../src/ring/hash.ts';
import { HotKeys, type HotKeysReport, mergeHotKeys } from '../../src/routing/hot-keys.ts';

const HALF_LIFE_MS = 30_000;
const TICK_MS = 250;

const hot = suite('hot-keys');

const count = (sketch: HotKeys, key: string): void =>
  sketch.count(murmurHash(key, 0, key.length), key, 0, key.length);

/** As many workers, among which requests are dealt, and one clock. */
class Fleet {
  readonly sketches: readonly HotKeys[];
  readonly exact = new Map<string, number>();
  nowMs = 0;
  #dealt = 0;

  constructor(workers: number) {
    this.sketches = Array.from({ length: workers }, () => new HotKeys(0));
  }

  /** For that long, so many requests a second, of which `next` says the key ('' has none). */
  run(seconds: number, perS: number, next: () => string): void {
    const untilMs = this.nowMs + seconds * 1000;
    while (this.nowMs < untilMs) {
      for (let left = (perS * TICK_MS) / 1000; left > 0; left--) this.#request(next());
      this.nowMs += TICK_MS;
      for (const sketch of this.sketches) sketch.tick(this.nowMs);
    }
  }

  report(most = 20): HotKeysReport {
    const reports = this.sketches.map(sketch => structuredClone(sketch.report(this.nowMs)));
    return mergeHotKeys(reports, most);
  }

  /** The decayed counts, exactly, the greatest first, and their sum. */
  truth(): { top: [string, number][]; sum: number } {
    const top = [...this.exact].sort(([, a], [, b]) => b - a);
    return { top, sum: top.reduce((sum, [, each]) => sum + each, 0) };
  }

  #request(key: string): void {
    const sketch = this.sketches[this.#dealt++ % this.sketches.length]!;
    if (key === '') sketch.countKeyless();
    else count(sketch, key);
    this.exact.set(key, (this.exact.get(key) ?? 0) + 2 ** (this.nowMs / HALF_LIFE_MS));
  }
}

hot('Zipf 1.1 over a million keys, two workers: the true top 10 are among the 20, within 5 %', () => {
  for (const seed of [1, 2]) {
    const draw = zipf(1_000_000, 1.1, seed);
    const fleet = new Fleet(2);
    fleet.run(60, 4_000, () => keyOf(draw()));
    const { top, sum } = fleet.truth();
    const { keys, all } = fleet.report();
    assert.is(keys.length, 20);
    for (const [key, exact] of top.slice(0, 10)) {
      const told = keys.find(({ text }) => text === key);
      assert.ok(told, `${key} is missing (seed ${seed})`);
      const ratio = told.perS / all.perS / (exact / sum);
      assert.ok(Math.abs(ratio - 1) < 0.05, `${key}: ${ratio} of the truth (seed ${seed})`);
    }
    assert.ok(Math.abs(all.perS / 4_000 - 1) < 0.05, `${all.perS} requests/s`);
  }
});

hot('a key that goes from nothing to 20 % of the traffic is first within 5 s', () => {
  const draw = zipf(1_000_000, 1.1, 5);
  const random = seededRandom(5);
  const fleet = new Fleet(2);
  fleet.run(60, 1_000, () => keyOf(draw()));
  const before = fleet.report().keys[0]!;
  assert.is(before.text, keyOf(0));
  fleet.run(5, 1_000, () => (random() < 0.2 ? 'burst' : keyOf(draw())));
  const { keys, all } = fleet.report();
  assert.is(keys[0]!.text, 'burst');
  const now = keys[0]!.latelyPerS / all.latelyPerS;
  assert.ok(now > 0.12 && now < 0.2, `${now} of the last seconds`);
  // Once it is over, it is forgotten.
  fleet.run(300, 200, () => keyOf(draw()));
  assert.not(fleet.report().keys.some(({ text }) => text === 'burst'));
});

hot('a single request after a silence is no burst', () => {
  let next = 0;
  const fleet = new Fleet(1);
  fleet.run(60, 4, () => `key ${next++ % 5}`);
  fleet.run(20, 0, () => '');
  count(fleet.sketches[0]!, 'once');
  assert.match(fleet.report().keys[0]!.text, /^key/);
});

hot('traffic without keys is a share of its own, not a key', () => {
  const random = seededRandom(7);
  const fleet = new Fleet(2);
  fleet.run(30, 1_000, () => (random() < 0.75 ? '' : 'a'));
  const { keys, all, keylessPerS } = fleet.report();
  assert.equal(
    keys.map(({ text }) => text),
    ['a'],
  );
  assert.ok(Math.abs(keylessPerS / all.perS - 0.75) < 0.02, `${keylessPerS / all.perS}`);
  assert.ok(Math.abs(keys[0]!.perS / all.perS - 0.25) < 0.02, `${keys[0]!.perS / all.perS}`);
  const none = new Fleet(1);
  none.run(5, 100, () => '');
  assert.equal(none.report().keys, []);
});

hot('keys of 64 KiB are cut and do no harm', () => {
  const fleet = new Fleet(1);
  const random = seededRandom(9);
  const long = 'k'.repeat(65_536);
  fleet.run(5, 400, () => (random() < 0.5 ? `${long}${Math.floor(random() * 1000)}` : 'short'));
  const { keys } = fleet.report(100);
  assert.is(keys[0]!.text, 'short');
  const cut = keys.find(({ text }) => text.startsWith('kkk'))!;
  assert.is(cut.text.length, 128);
  assert.ok(cut.length >= 65_537 && cut.length <= 65_539);
});

hot('only the key is taken of the text around it, and as bytes', () => {
  const sketch = new HotKeys(0);
  const url = '/a?key=v\u00e9&x=1';
  sketch.count(murmurHash(url, 7, 9), url, 7, 9);
  assert.is(sketch.report(1_000).keys[0]!.text, 'v\u00e9');
});

hot('keys that come once each: none is told to be more than it is', () => {
  let next = 0;
  const fleet = new Fleet(1);
  fleet.run(50, 4_000, () => `key-${next++}`);
  const { keys, all } = fleet.report(100);
  for (const { text, perS } of keys) assert.ok(perS / all.perS < 0.001, `${text}: ${perS / all.perS}`);
});

hot('days go by: rates stay what they are, and what was is forgotten', () => {
  const fleet = new Fleet(1);
  fleet.run(60, 100, () => 'old');
  for (let day = 0; day < 3; day++) {
    fleet.nowMs += 86_400_000;
    fleet.run(120, 100, () => `day ${day}`);
    const { keys, all } = fleet.report();
    assert.is(keys[0]!.text, `day ${day}`);
    assert.ok(Math.abs(all.perS - 100) < 10, `${all.perS} requests/s`);
    assert.ok(keys[0]!.perS / all.perS > 0.9);
    assert.ok(keys.slice(1).every(({ perS }) => perS < 1e-6));
  }
});

hot('a worker that is young tells the rate of its short life', () => {
  const sketch = new HotKeys(50_000);
  for (let tick = 1; tick <= 12; tick++) {
    for (let left = 25; left > 0; left--) count(sketch, 'a');
    sketch.tick(50_000 + tick * TICK_MS);
  }
  const { all } = sketch.report(53_000);
  assert.ok(Math.abs(all.perS - 100) < 15, `${all.perS} requests/s`);
  assert.ok(Math.abs(all.latelyPerS - 100) < 15, `${all.latelyPerS} requests/s`);
});

hot.run();
