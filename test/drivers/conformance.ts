// What every driver that makes replicas must do, run on the process driver and on the Docker driver alike. The harness
// stands for the outside world: how somebody else kills or freezes a replica there, and what is left when all is over.

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver, DriverEvent, Question, Replica, ReplicaSpec } from '../../src/control/driver.ts';
import { probe } from '../../src/drivers/probe.ts';
import { waitFor } from '../support/wait.ts';

export interface Harness {
  make(): Driver;
  kill(replica: Replica): Promise<void>;
  pause(replica: Replica): Promise<void>;
  /** Names of what this torc has outside: nothing, once it has closed with `remove`. */
  leftovers(): Promise<string[]>;
}

export const spec = (slot: string, generation = 1, spare = false): ReplicaSpec => ({
  slot,
  generation,
  spare,
});

const HEARTBEAT: Question = {
  mode: 'http',
  method: 'GET',
  path: '/heartbeat',
  host: null,
  port: null,
  statuses: [{ from: 200, to: 299 }],
};

export const answers = async (replica: Replica): Promise<boolean> =>
  (await probe(replica, HEARTBEAT, 500)).alive;

export const untilAnswers = (replica: Replica): Promise<void> =>
  waitFor(() => answers(replica), { timeoutMs: 20_000, what: `an answer of ${replica.label}` });

/** Opens a driver, lends it with the events it sends, and closes it in the end, whatever happened. */
export async function withDriver(
  driver: Driver,
  body: (driver: Driver, events: DriverEvent[]) => Promise<void>,
): Promise<void> {
  const events: DriverEvent[] = [];
  await driver.open(event => events.push(event));
  try {
    await body(driver, events);
    for (const replica of await driver.list()) await driver.stop(replica, 0);
  } catch (error) {
    await driver.close({ remove: true }).catch(() => {}); // the first failure is the one to tell
    throw error;
  }
  await driver.close({ remove: true });
}

export function conforms(test: Test, { make, kill, pause, leftovers }: Harness): void {
  test('a started replica has an address, answers, and is listed as running', () =>
    withDriver(make(), async driver => {
      const replica = await driver.start(spec('4', 2));
      await untilAnswers(replica);
      assert.equal(
        [replica.slot, replica.generation, replica.spare, replica.status],
        ['4', 2, false, 'running'],
      );
      assert.equal(await driver.list(), [replica]);
      const body = await (await fetch(`http://${replica.host}:${replica.port}/request?request_id=7`)).text();
      assert.is(
        body,
        '{"response":{"message":"Hello from Server: 4","status":"Successful"},"server_id":"4"}',
      );
    }));

  test('several start at once, each on an address of its own', () =>
    withDriver(make(), async driver => {
      const replicas = await Promise.all(['1', '2', '3'].map(slot => driver.start(spec(slot))));
      for (const replica of replicas) await untilAnswers(replica);
      assert.is(new Set(replicas.map(replica => `${replica.host}:${replica.port}`)).size, 3);
      assert.equal((await driver.list()).map(replica => replica.slot).sort(), ['1', '2', '3']);
    }));

  test('stop ends it and removes every trace; stopping it again succeeds', () =>
    withDriver(make(), async driver => {
      const replica = await driver.start(spec('1'));
      await untilAnswers(replica);
      await driver.stop(replica, 5_000);
      assert.equal(await driver.list(), []);
      assert.is(await answers(replica), false);
      await driver.stop(replica, 5_000);
    }));

  test('a replica that somebody kills is told as gone, in words, and stop clears it away', () =>
    withDriver(make(), async (driver, events) => {
      const replica = await driver.start(spec('1'));
      await untilAnswers(replica);
      await kill(replica);
      const gone = (): DriverEvent | undefined =>
        events.find(event => event.kind === 'gone' && event.replicaId === replica.id);
      await waitFor(() => gone() !== undefined, { timeoutMs: 20_000, what: 'the gone event' });
      assert.match(gone()!.cause, /SIGKILL/);
      const listed = (await driver.list()).find(found => found.id === replica.id);
      assert.is(listed?.status, 'stopped');
      assert.match(listed?.ended ?? '', /SIGKILL/);
      await driver.stop(replica, 1_000);
      assert.equal(await driver.list(), []);
    }));

  test('a paused replica is listed as paused, and ends all the same', () =>
    withDriver(make(), async driver => {
      const replica = await driver.start(spec('1'));
      await untilAnswers(replica);
      await pause(replica);
      assert.is((await driver.list())[0]?.status, 'paused');
      assert.is(await answers(replica), false);
      await driver.stop(replica, 2_000);
      assert.equal(await driver.list(), []);
    }));

  test('the next torc finds the replicas of one that vanished, also a spare that was promoted', async () => {
    const first = make();
    await first.open(() => {});
    const spare = await first.start(spec('spare-1', 1, true));
    const other = await first.start(spec('spare-2', 3, true));
    await untilAnswers(spare);
    const promoted = await first.assign!(spare, spec('7', 5));
    assert.is(promoted.id, spare.id);
    await first.close({ remove: false });
    await withDriver(make(), async driver => {
      const listed = [...(await driver.list())].sort((a, b) => (a.slot < b.slot ? -1 : 1));
      assert.equal(
        listed.map(({ id, slot, generation, spare: isSpare }) => ({ id, slot, generation, isSpare })),
        [
          { id: spare.id, slot: '7', generation: 5, isSpare: false },
          { id: other.id, slot: 'spare-2', generation: 3, isSpare: true },
        ],
      );
      await untilAnswers(listed[0]!);
    });
  });

  test('an adopted replica that dies is told as gone', async () => {
    const first = make();
    await first.open(() => {});
    const replica = await first.start(spec('1'));
    await untilAnswers(replica);
    await first.close({ remove: false });
    await withDriver(make(), async (driver, events) => {
      await kill((await driver.list())[0]!);
      await waitFor(() => events.some(event => event.kind === 'gone' && event.replicaId === replica.id), {
        timeoutMs: 20_000,
        what: 'the gone event',
      });
    });
  });

  test('two torcs do not heal the same replicas: the second one does not start', () =>
    withDriver(make(), async driver => {
      await driver.start(spec('1'));
      const second = make();
      let refusal = '';
      await second
        .open(() => {})
        .catch((error: Error) => {
          refusal = `${error.name}: ${error.message}`;
        });
      await second.close({ remove: true });
      assert.match(refusal, /^StartError: another torc \(pid \d+\) manages the replicas of /);
      assert.is((await driver.list())[0]?.status, 'running');
    }));

  test('nothing is left behind', async () => {
    assert.equal(await leftovers(), []);
  });
}
