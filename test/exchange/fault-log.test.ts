// One line a second and slot, and no answer is lost to the count: what was left out is told when its second is over, also
// when nothing follows it, and at the end.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FaultLog } from '../../src/exchange/fault-log.ts';
import { snapshotOf, startProxy } from '../support/proxy.ts';
import { ask, get } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const throttle = suite('fault log');

function recorded() {
  const told: Record<string, unknown>[] = [];
  const nothing = (): void => {};
  const faults = new FaultLog({
    debug: nothing,
    info: nothing,
    warn: fields => told.push(fields as Record<string, unknown>),
    error: nothing,
  });
  return { faults, told };
}

throttle('the number and the causes are told when the second is over, by the sweep alone', () => {
  const { faults, told } = recorded();
  assert.ok(faults.isDue('1', 'REFUSED', 0));
  for (let index = 0; index < 5; index++) assert.not(faults.isDue('1', 'RESET', 10 + index));
  assert.not(faults.isDue('1', 'REFUSED', 500));
  assert.ok(faults.isDue('2', 'RESET', 500));
  faults.sweep(999);
  assert.equal(told, []);
  faults.sweep(1000);
  assert.equal(told, [{ slot: '1', suppressed: 6, codes: { RESET: 5, REFUSED: 1 } }]);
  faults.sweep(5000);
  assert.is(told.length, 1, 'nothing was left out of the second slot');
});

throttle('many slots: bounded, and what is forgotten is told', () => {
  const { faults, told } = recorded();
  faults.isDue('first', 'RESET', 0);
  faults.isDue('first', 'RESET', 0);
  for (let index = 0; index < 5000; index++) faults.isDue(String(index), 'RESET', 1);
  assert.equal(told, [{ slot: 'first', suppressed: 1, codes: { RESET: 1 } }]);
});

for (const when of ['its second is over', 'torc drains'])
  throttle(`many answers of 503 and then none: all are told when ${when}`, async () => {
    const torc = await startProxy([9], {});
    try {
      torc.snapshots.apply(snapshotOf(2, [9], { states: ['suspect'] }));
      for (let index = 0; index < 40; index++) await ask(torc.port, get('/a'));
      const told = (): number =>
        torc.lines.reduce(
          (sum, { fields }) => sum + ((fields.suppressed as number | undefined) ?? (fields.code ? 1 : 0)),
          0,
        );
      if (when === 'torc drains') await torc.close();
      else await waitFor(() => told() === 40, { timeoutMs: 20_000, what: '40 answers in the log' });
      assert.is(told(), 40);
    } finally {
      await torc.close();
    }
  });

throttle.run();
