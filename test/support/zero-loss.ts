// Zero loss, for any driver: 64 connections of GETs and POSTs from another process, a replica is broken, N are ready
// again, and every request was answered with 200, but for POSTs whose sending had begun (load.ts).

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Events, followEvents } from './events.ts';
import { type Fault, slotsOf } from './healing.ts';
import { begunPosts, lostRequests, startLoad } from './load.ts';
import type { Torc } from './torc.ts';
import { waitFor } from './wait.ts';

const CONNECTIONS = 64;

/** Slots take turns, so that a slot's second death comes late enough not to look like a crash loop. */
export function zeroLossTests(
  test: Test,
  start: () => Promise<Torc>,
  faults: Record<string, Fault>,
  protocol: '' | 'h2' = '',
): void {
  let torc: Torc;
  let events: Events;
  let turn = 0;
  test.before(async () => {
    torc = await start();
    events = await followEvents(torc);
  });
  test.after(async () => {
    events.close();
    await torc.close();
  });
  for (const [fault, strike] of Object.entries(faults)) {
    test(`no request is lost: ${fault}`, async () => {
      await allReady(torc);
      const slot = String((turn++ % 3) + 1);
      const victim = (await slotsOf(torc)).find(({ name }) => name === slot)!;
      const seen = events.changes.length;
      const load = startLoad(torc.url, CONNECTIONS, protocol);
      await load.flows();
      await strike(victim.replica.replace(/^pid /, ''));
      const isBack = (): boolean =>
        events.changes.slice(seen).some(change => change.slot === slot && change.to === 'ready');
      await waitFor(isBack, { timeoutMs: 40_000, what: `slot ${slot} to be ready after ${fault}` });
      await allReady(torc);
      await load.flows();
      const report = await load.stop();
      const { GET, POST } = report.sent;
      process.stdout.write(
        `\n  ${fault}: ${GET} GET, ${POST} POST, ${begunPosts(report)} of them begun at the replica that died\n`,
      );
      assert.equal(lostRequests(report), []);
      assert.ok(GET > 100 && POST > 50, 'there was a load');
    });
  }
}

export const allReady = (torc: Torc): Promise<void> =>
  waitFor(async () => (await slotsOf(torc)).every(({ state }) => state === 'ready'), {
    timeoutMs: 40_000,
    what: 'all slots to be ready',
  });
