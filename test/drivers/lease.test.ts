// Who yields to whom, as a table: own marker, what else is there, what is removed and what is waited for.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judge, type Marker } from '../../src/drivers/docker/lease.ts';

const test = suite('lease');

const marker = (name: string): Marker => ({
  name,
  kind: name.startsWith('held') ? 'held' : 'claim',
  holder: '',
  machine: '',
  pid: 1,
  startTime: '',
});

for (const [mine, there, dead, remove, others] of [
  ['claim-5', 'claim-5', '', '', ''],
  ['claim-5', 'claim-5 claim-7', '', 'claim-7', ''],
  ['claim-5', 'claim-3 claim-5', '', '', 'claim-3'],
  ['claim-5', 'claim-5 held-1', '', '', 'held-1'],
  ['claim-5', 'claim-5 held-9', '', '', 'held-9'],
  ['claim-5', 'claim-5 held-9', 'held-9', 'held-9', ''],
  ['claim-5', 'claim-3 claim-5 claim-7 held-1', 'claim-3', 'claim-3 claim-7', 'held-1'],
  ['held-5', 'claim-1 claim-9 held-5', '', 'claim-1 claim-9', ''],
  ['held-5', 'held-3 held-5', '', 'held-3', ''],
] as const) {
  test(`${mine} beside ${there}${dead && `, ${dead} dead`}`, () => {
    const verdict = judge(there.split(' ').map(marker), marker(mine), ({ name }) => name === dead);
    const names = (markers: readonly Marker[]): string => markers.map(({ name }) => name).join(' ');
    assert.equal([names(verdict.remove), names(verdict.others), verdict.isThere], [remove, others, true]);
  });
}

test('its own marker is gone', () => {
  assert.is(judge([marker('held-1')], marker('claim-5'), () => false).isThere, false);
  assert.is(judge([], marker('held-5'), () => false).isThere, false);
});

test.run();
