// What docs/inference.md advises by is what the simulation says, and it says the same again for the same seed.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Load, type Policy, simulate } from '../../native-free-bench/inference/model.ts';

const test = suite('bench/inference');

const load: Load = {
  replicas: 4,
  conversations: 160,
  zipf: 1.1,
  requestsPerS: 32,
  cacheTokens: 200_000,
  seconds: 240,
  seed: 7,
};
const even: Load = { ...load, zipf: 0.4, requestsPerS: 24 };
const none = {
  balanceFactor: 0,
  balanceWaitMs: 0,
  lentStickyMs: 0,
  slowStartMs: 0,
  returnHow: 'now',
} as const;
const policy = (settings: Partial<Policy>): Policy => ({ ...none, name: '', ...settings });
const bound = { balanceFactor: 1.5 };

test('the same seed, the same outcome; another, another', () => {
  const once = simulate(load, policy(bound), null);
  assert.equal(simulate(load, policy(bound), null), once);
  assert.not.equal(simulate({ ...load, seed: 8 }, policy(bound), null), once);
});

test('a bound shortens the tail of hot conversations for some caches; stickiness gives many of those back', () => {
  const [free, bounded, sticky] = [{}, bound, { ...bound, lentStickyMs: 120_000 }].map(settings =>
    simulate(load, policy(settings), null),
  );
  assert.ok(bounded!.firstTokenMs.p99 < free!.firstTokenMs.p99 / 2, JSON.stringify([free, bounded]));
  assert.ok(free!.hits - bounded!.hits > 0.05);
  assert.ok(
    sticky!.hits > bounded!.hits + 0.25 * (free!.hits - bounded!.hits),
    JSON.stringify([bounded, sticky]),
  );
});

test('a wait keeps caches and lengthens the tail', () => {
  const [now, patient] = [0, 1000].map(balanceWaitMs =>
    simulate(load, policy({ ...bound, balanceWaitMs }), null),
  );
  assert.ok(patient!.hits > now!.hits);
  assert.ok(patient!.firstTokenMs.p99 > now!.firstTokenMs.p99);
  assert.ok(patient!.waited > 0.02);
});

test('a gradual return spares cold turns', () => {
  const death = { atS: 80, awayS: 14 };
  const [now, gradual] = [{}, { slowStartMs: 120_000, returnHow: 'gradual' as const }].map(settings => {
    const outcomes = [1, 2, 3, 4].map(seed => simulate({ ...even, seed }, policy(settings), death));
    return outcomes.reduce((sum, { hits }) => sum + hits, 0) / outcomes.length;
  });
  assert.ok(gradual! > now!, `${gradual} and ${now}`);
});

test.run();
