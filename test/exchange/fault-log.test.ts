// One line a second and slot, and no answer is lost to the count: what was left out is told when its second is over, also
// when nothing follows it, and at the end.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Fault, FaultLog } from '../../src/exchange/fault-log.ts';
import { type Answer, rawOrigin } from '../support/origin.ts';
import { snapshotOf, startProxy } from '../support/proxy.ts';
import { ask, get } from '../support/raw.ts';
import { freePort } from '../support/torc.ts';
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

throttle('one line answers why: who has the key, what each attempt ended with, and when', async () => {
  const reset: Answer = (_request, socket) => void socket.resetAndDestroy();
  const origins = [await rawOrigin(reset), await rawOrigin(() => {})];
  // "1" owns every key and is not there, "2" ends with the request in its hands, "3" says nothing.
  const torc = await startProxy([await freePort(), ...origins.map(({ port }) => port)], {
    RESPONSE_TIMEOUT_MS: '300',
    ACCESS_LOG: 'true',
  });
  try {
    const answer = await ask(torc.port, get('/pay?request_id=7'));
    assert.is(answer.status, 504);
    const { id, slot } = JSON.parse(answer.body) as { id: string; slot: string };
    const line = torc.lines.find(({ fields }) => fields.id === id && fields.tried !== undefined)!;
    const { tried, ms, ...told } = line.fields as unknown as Fault;
    assert.equal(told, {
      id,
      slot,
      keySlot: '1',
      code: 'RESPONSE_TIMEOUT',
      status: 504,
      detail: 'no answer in time',
      method: 'GET',
      path: '/pay?request_id=7',
    });
    assert.equal(
      tried.map(each => [each.slot, each.code, each.detail]),
      [
        ['1', 'REFUSED', 'ECONNREFUSED'],
        ['2', 'RESET', tried[1]!.detail],
        ['3', 'RESPONSE_TIMEOUT', 'no answer in time'],
      ],
    );
    assert.match(tried[1]!.detail, /ECONNRESET|closed/);
    const times = tried.map(({ afterMs }) => afterMs);
    assert.equal(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.ok(
      ms >= 300 && ms >= times[2]! && times[2]! >= 300 && times[1]! < times[2]!,
      `${times} of ${ms} ms`,
    );
  } finally {
    await torc.close();
    for (const origin of origins) await origin.close();
  }
});

throttle('the owner of a key has its name in the line, also while no replica fills its slot', async () => {
  const torc = await startProxy([9, 9], {});
  try {
    const { upstreams, ...rest } = snapshotOf(2, [9, 9], { states: ['ready', 'suspect'] });
    torc.snapshots.apply({ ...rest, upstreams: upstreams.slice(1) });
    assert.is((await ask(torc.port, get('/a'))).status, 503);
    const { fields } = torc.lines.find(line => line.fields.code === 'NO_REPLICA')!;
    assert.equal([fields.keySlot, fields.slot, fields.tried], ['1', '', []]);
  } finally {
    await torc.close();
  }
});

throttle.run();
