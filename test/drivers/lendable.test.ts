// A driver that was lent and is taken back while its engine is away: it is asked until it is there, and whoever lent it hears once
// why it takes so long. And one that another torc still has: what would be made waits.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver, DriverEvent } from '../../src/control/driver.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { lendable } from '../../src/drivers/lendable.ts';

const test = suite('lendable');
/** Nobody waits. */
const clock: Clock = { ...systemClock, after: (_, then) => systemClock.after(0, then) };

test('an engine that is away is asked until it is there', async () => {
  const calls: string[] = [];
  let isAway = false;
  const real = {
    creates: true,
    open: async () => {
      calls.push('open');
      if (isAway && calls.length < 6) throw new Error('away');
    },
    close: async () => void calls.push('close'),
    list: async () => [],
  } as unknown as Driver;
  const told: string[] = [];
  const events: DriverEvent[] = [];
  const lent = lendable(real, { atFirst: 'ours', clock, onRefused: ({ message }) => told.push(message) });
  await lent.driver.open(event => events.push(event));
  await lent.lend();
  await lent.driver.list().then(
    () => assert.unreachable('another has it'),
    error => assert.match(String(error), /takes over/),
  );
  isAway = true;
  await lent.take();
  assert.equal(calls, ['open', 'close', 'open', 'close', 'open', 'close', 'open']);
  assert.equal(told, ['away']);
  assert.equal(
    events.map(({ kind }) => kind),
    ['resync'],
  );
  assert.equal(await lent.driver.list(), []);
});

test('what is only looked at: a start waits until it is ours, and is refused where it never will be', async () => {
  for (const isOurs of [true, false]) {
    const started: unknown[] = [];
    const real = {
      creates: true,
      open: async () => {},
      list: async () => ['found'],
      start: async (spec: unknown) => started.push(spec),
    } as unknown as Driver;
    const lent = lendable(real, { atFirst: 'looked at', clock, onRefused: () => {} });
    await lent.driver.open(() => {});
    assert.equal(await lent.driver.list(), ['found']);
    const outcome = lent.driver.start({ slot: '1', generation: 2, spare: false }).then(
      () => 'made',
      (error: Error) => error.message,
    );
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(started, []);
    if (isOurs) await lent.take();
    else lent.abandon();
    assert.is(await outcome, isOurs ? 'made' : 'another torc goes on');
    assert.is(started.length, isOurs ? 1 : 0);
  }
});

test.run();
