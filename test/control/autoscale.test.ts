// Autoscaling: HPA's rule by tables, and the loop on a fake clock.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Autoscaler, desiredCount, type Scalable, stabilised } from '../../src/control/autoscale.ts';
import type { Outcome } from '../../src/control/membership.ts';
import { advance, FakeClock } from '../sim/clock.ts';

const test = suite('autoscaling');
const bounds = { least: 2, most: 20, target: 10 };

for (const [current, inFlight, desired, why] of [
  [3, 30, 3, 'on target'],
  [3, 32.9, 3, 'within 10 % above'],
  [3, 27, 3, 'within 10 % below'],
  [3, 33.1, 4, 'more than 10 % above'],
  [3, 60, 6, 'twice the load'],
  [3, 300, 7, 'at most 4 more while few'],
  [5, 300, 10, 'at most double while many'],
  [15, 300, 20, 'never above the most'],
  [6, 26.9, 3, 'less load'],
  [3, 0, 2, 'never below the least'],
  [1, 10, 2, 'up to the least'],
  [30, 300, 20, 'down to the most'],
] as const) {
  test(`${current} replicas, ${inFlight} in flight: ${desired}, ${why}`, () => {
    assert.is(desiredCount(current, inFlight, bounds), desired);
  });
}

test('up at once, down only to the highest wish of the window', () => {
  const wishes = (...counts: number[]) => counts.map((count, atMs) => ({ atMs, count }));
  assert.is(stabilised(3, wishes(2, 5)), 5);
  assert.is(stabilised(6, wishes(4, 3, 2)), 4);
  assert.is(stabilised(6, wishes(9, 2)), 6);
  assert.is(stabilised(6, wishes(2)), 2);
});

class Fleet implements Scalable {
  count = 3;
  inFlight = 30;
  addFails = false;
  readonly said: string[] = [];
  names(): string[] {
    return Array.from({ length: this.count }, (_, index) => String(index + 1));
  }
  async add({ count }: { count: number }): Promise<Outcome> {
    if (this.addFails) return { ok: false, status: 503, message: 'no room' };
    this.count += count;
    return { ok: true };
  }
  async remove({ count }: { count: number }): Promise<Outcome> {
    this.count -= count;
    return { ok: true };
  }
  announce(_topic: 'scale', text: string): void {
    this.said.push(text);
  }
}

function start(fleet: Fleet): { clock: FakeClock; autoscaler: Autoscaler } {
  const clock = new FakeClock();
  const autoscaler = new Autoscaler({
    scalable: fleet,
    load: { inFlight: async () => fleet.inFlight },
    clock,
    bounds,
    periodMs: 15_000,
    downWindowMs: 300_000,
  });
  void autoscaler.run();
  return { clock, autoscaler };
}

test('follows the load up in a period, and down only after the window', async () => {
  const fleet = new Fleet();
  const { clock, autoscaler } = start(fleet);
  await advance(clock, 16_000);
  assert.is(fleet.count, 3);
  fleet.inFlight = 60;
  await advance(clock, 31_000);
  assert.is(fleet.count, 6);
  fleet.inFlight = 5;
  await advance(clock, 280_000);
  assert.is(fleet.count, 6);
  await advance(clock, 60_000);
  assert.is(fleet.count, 2);
  assert.is(fleet.said.length, 2, fleet.said.join('\n'));
  autoscaler.close();
});

test('an add that fails is said, and tried again in the next period', async () => {
  const fleet = new Fleet();
  fleet.inFlight = 60;
  fleet.addFails = true;
  const { clock, autoscaler } = start(fleet);
  await advance(clock, 16_000);
  assert.is(fleet.count, 3);
  assert.match(fleet.said.join('\n'), /stays at 3 replicas: no room/);
  fleet.addFails = false;
  await advance(clock, 16_000);
  assert.is(fleet.count, 6);
  autoscaler.close();
  fleet.inFlight = 600;
  await advance(clock, 60_000);
  assert.is(fleet.count, 6, 'nothing after close');
});

test.run();
