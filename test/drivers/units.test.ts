// The engine's small words: its moments, whose zeros at the end are left out, so that neither text nor milliseconds alone tell
// which of two is the earlier.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { byMoment } from '../../src/drivers/docker/units.ts';

test('moments: earlier first, to the nanosecond', () => {
  const inOrder = [
    '2026-11-30T16:00:01.999999999Z',
    '2026-11-30T16:00:02Z',
    '2026-11-30T16:00:02.464171Z',
    '2026-11-30T16:00:02.464171293Z',
    '2026-11-30T16:00:02.5Z',
    '2026-11-30T16:00:02.500000001Z',
    '2026-11-30T16:00:02.55Z',
  ];
  assert.equal([...inOrder].sort().join() === inOrder.join(), false, 'as texts they are in another order');
  assert.equal([...inOrder].reverse().sort(byMoment), inOrder);
});

test('moments: the same one in two zones', () => {
  assert.is(byMoment('2026-11-30T16:00:02.5Z', '2026-11-30T17:00:02.5+01:00'), 0);
  assert.ok(byMoment('2026-11-30T16:00:02.5Z', '2026-11-30T16:00:02.5+01:00') > 0);
});

test.run();
