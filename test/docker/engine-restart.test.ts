// The engine itself ended and started again under a running torc, which takes every container down (live-restore is off).
// It is an engine of this test alone (support/own-engine.ts): this file runs itself again beside it.

import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { BUNDLED_IMAGE } from '../../src/drivers/docker/image.ts';
import { answers, containersOf, required } from '../support/engine.ts';
import { slotsOf } from '../support/healing.ts';
import { OwnEngine, ownDirectory, runInside, whyNone } from '../support/own-engine.ts';
import { keepAsking } from '../support/rollout.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const NETWORK = 'torc';

const whole = (torc: Torc): Promise<void> =>
  waitFor(async () => (await slotsOf(torc)).every(slot => slot.state === 'ready'), {
    timeoutMs: 90_000,
    what: 'three ready slots',
  });

const countOf = (torc: Torc, text: RegExp): number =>
  torc.lines().filter(({ msg }) => text.test(`${msg}`)).length;

function define(test: Test, engine: OwnEngine): void {
  let torc: Torc;
  test.before(async () => {
    await engine.start();
    await engine.borrow(BUNDLED_IMAGE);
    torc = await startTorc({
      TORC_DRIVER: 'docker',
      TORC_NETWORK: NETWORK,
      TORC_WORKERS: '1',
      DOCKER_HOST: process.env.DOCKER_HOST!,
    });
  });
  test.after(async () => {
    await torc.close();
    await engine.end('SIGTERM');
  });

  /** The engine is away; torc has said so. */
  async function away(signal: NodeJS.Signals): Promise<void> {
    const before = countOf(torc, /does not answer/);
    await engine.end(signal);
    await waitFor(() => countOf(torc, /does not answer/) > before, {
      timeoutMs: 30_000,
      what: 'the outage in the log',
    });
  }

  async function backAndWhole(generations: readonly number[]): Promise<void> {
    await engine.start();
    await waitFor(
      async () => (await slotsOf(torc)).every(({ generation }, index) => generation > generations[index]!),
      { timeoutMs: 90_000, what: 'new replicas' },
    );
    await whole(torc);
    assert.is((await torc.get('/request?request_id=1')).status, 200);
    await waitFor(async () => (await containersOf(NETWORK)).length === 3, {
      timeoutMs: 30_000,
      what: 'the dead containers to be cleared away',
    });
  }

  test('killed: its containers serve on without it; its start ends them, and N is restored', async () => {
    const before = await slotsOf(torc);
    await away('SIGKILL');
    const stop = keepAsking(torc);
    await waitFor(async () => (await torc.get('/request?request_id=1')).status === 200, {
      timeoutMs: 10_000,
      what: 'an answer without an engine',
    });
    for (let key = 0; key < 300; key++) assert.is((await torc.get(`/request?request_id=${key}`)).status, 200);
    assert.equal(Object.keys(await stop()), ['200']);
    assert.equal(await slotsOf(torc), before);
    await backAndWhole(before.map(slot => slot.generation));
  });

  test('ended in order: its containers end with it, torc outlives both, and N is restored', async () => {
    const generations = (await slotsOf(torc)).map(slot => slot.generation);
    await away('SIGTERM');
    assert.is((await torc.get('/request?request_id=1')).status, 503);
    assert.is((await torc.get('/rep')).status, 200);
    await backAndWhole(generations);
  });

  test('the exit leaves nothing on it', async () => {
    await torc.close();
    assert.is(torc.process.exitCode, 0, torc.output());
    assert.equal(await containersOf(NETWORK), []);
  });
}

if (ownDirectory === undefined) {
  const reason = whyNone();
  if (reason === null) {
    process.exitCode = await runInside([import.meta.filename]);
  } else {
    const test = suite(`a restart of the engine (${reason})`);
    if (required && !answers) test('an engine is there', () => assert.unreachable(reason));
    else test.skip('a restart of the engine', () => {});
    test.run();
  }
} else {
  const test = suite('a restart of the engine');
  define(test, new OwnEngine(ownDirectory));
  test.run();
}
