// What /add and /rm answer, as tables: request, names in use, the names that join or leave, or the refusal.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type MembershipChange, type Plan, planAdd, planRemove } from '../../src/control/membership.ts';

const test = suite('membership');

const said = (plan: Plan): string => (plan.ok ? plan.names.join(' ') : `${plan.status} ${plan.message}`);
const atMost10 = (count: number): string | null =>
  count > 10 ? 'the seed ring holds at most 10 slots' : null;
const LONG = 'a'.repeat(64);

const adds: [MembershipChange, string, string][] = [
  [{ count: 1, names: ['4'] }, '1 2 3', '4'],
  [{ count: 2, names: [] }, '1 2 3', '4 5'],
  [{ count: 2, names: ['web'] }, '1 2 3', 'web 4'],
  [{ count: 1, names: [] }, '1 3', '2'],
  [{ count: 2, names: ['2'] }, '1 3', '2 4'],
  [{ count: 3, names: ['2'] }, '', '2 1 3'],
  [{ count: 1, names: ['4', '5'] }, '1', '400 Length of hostname list is more than newly added instances'],
  [{ count: 1, names: ['1'] }, '1', '400 "1" is taken'],
  [{ count: 1, names: ['WEB'] }, 'web', '400 "WEB" is taken'],
  [{ count: 2, names: ['a', 'a'] }, '1', '400 "a" is named twice'],
  [{ count: 1, names: [''] }, '1', '400 "" is no DNS label: letters, digits and inner hyphens, at most 63'],
  [{ count: 7, names: [] }, '1 2 3', '4 5 6 7 8 9 10'],
  [{ count: 8, names: [] }, '1 2 3', '400 the seed ring holds at most 10 slots'],
  [{ count: 0, names: [] }, '1', '400 n must be a whole number of at least 1'],
  [{ count: 1.5, names: [] }, '1', '400 n must be a whole number of at least 1'],
  [{ count: Number.NaN, names: [] }, '1', '400 n must be a whole number of at least 1'],
];
for (const [change, taken, expected] of adds) {
  test(`add ${JSON.stringify(change)} to "${taken}"`, () => {
    assert.is(said(planAdd(change, new Set(taken.split(' ').filter(Boolean)), atMost10)), expected);
  });
}

for (const name of ['-a', 'a-', 'a.b', 'a b', 'ä', 'a/b', '..', 'a_b', LONG]) {
  test(`add refuses the name ${JSON.stringify(name.slice(0, 10))}`, () => {
    assert.match(said(planAdd({ count: 1, names: [name] }, new Set(), atMost10)), /is no DNS label/);
  });
}

test('a hostile name is cut and escaped in the answer', () => {
  const answer = said(planAdd({ count: 1, names: [`\n"${'x'.repeat(10_000)}`] }, new Set(), atMost10));
  assert.ok(answer.length < 250 && !answer.includes('\n'));
});

const removes: [MembershipChange, string, string][] = [
  [{ count: 1, names: ['2'] }, '1 2 3', '2'],
  [{ count: 1, names: [] }, '1 2 3', '3'],
  [{ count: 2, names: ['3'] }, '1 2 3', '3 2'],
  [{ count: 1, names: [] }, '1 5 3', '3'],
  [{ count: 3, names: [] }, '1 2 3', '3 2 1'],
  [{ count: 1, names: ['1', '2'] }, '1 2', '400 Length of hostname list is more than removable instances'],
  [{ count: 1, names: ['9'] }, '1 2', '400 "9" is not a replica'],
  [{ count: 2, names: ['1', '1'] }, '1 2', '400 "1" is named twice'],
  [{ count: 4, names: [] }, '1 2 3', '400 n is 4, but there are only 3 replicas'],
  [{ count: -1, names: [] }, '1 2 3', '400 n must be a whole number of at least 1'],
];
for (const [change, listed, expected] of removes) {
  test(`remove ${JSON.stringify(change)} from "${listed}"`, () => {
    assert.is(said(planRemove(change, listed.split(' '))), expected);
  });
}

test.run();
