// The engine away, cut off or without the image: routing never stops, N is restored when it is back, and what fails says
// why. The engine itself is never stopped: torc talks to it through a relay.

import * as assert from 'uvu/assert';
import { docker, engineSuite, makeImage, networkName, removeImage } from '../support/engine.ts';
import { slotsOf } from '../support/healing.ts';
import { muteTest } from '../support/mute.ts';
import { openRelay, type Relay } from '../support/relay.ts';
import { keepAsking } from '../support/rollout.ts';
import { spawnTorc, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();

/** Longer runs by hand: TORC_TEST_AWAY_MS=30000. */
const AWAY_MS = Number(process.env.TORC_TEST_AWAY_MS ?? 3_000);

const pass = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function kill(torc: Torc, name: string): Promise<void> {
  const victim = (await slotsOf(torc)).find(slot => slot.name === name)!;
  await docker.getContainer(victim.replica).kill();
}

const untilWhole = (torc: Torc, generations: number[]): Promise<void> =>
  waitFor(
    async () => {
      const slots = await slotsOf(torc);
      return slots.every((slot, index) => slot.state === 'ready' && slot.generation === generations[index]);
    },
    { timeoutMs: 40_000, what: `generations ${generations}` },
  );

engineSuite('the engine away', network, test => {
  let relay: Relay;
  let torc: Torc;
  test.before(async () => {
    relay = await openRelay();
    torc = await startTorc({
      TORC_DRIVER: 'docker',
      TORC_NETWORK: network,
      TORC_WORKERS: '1',
      DOCKER_HOST: relay.address,
    });
  });
  test.after(async () => {
    await torc.close();
    await relay.remove();
  });

  test('the socket gone for a while: routing goes on, also past a replica that dies; then N is restored', async () => {
    const stop = keepAsking(torc);
    await relay.close();
    await kill(torc, '2');
    await waitFor(() => /the driver does not answer/.test(torc.output()), {
      timeoutMs: 20_000,
      what: 'the outage in the log',
    });
    await pass(AWAY_MS);
    const during = await slotsOf(torc);
    assert.equal(
      during.map(slot => slot.state === 'ready'),
      [true, false, true],
    );
    await relay.listen();
    await waitFor(async () => (await slotsOf(torc)).every(slot => slot.state === 'ready'), {
      timeoutMs: 30_000,
      what: 'three ready slots',
    });
    const statuses = await stop();
    assert.equal(Object.keys(statuses), ['200'], JSON.stringify(statuses));
    const after = await slotsOf(torc);
    assert.equal([after[0], after[2]], [during[0], during[2]]);
  });

  test('the event stream cut: what dies afterwards is replaced', async () => {
    const [one, two, three] = (await slotsOf(torc)).map(slot => slot.generation);
    relay.cut();
    await kill(torc, '3');
    await untilWhole(torc, [one!, two!, three! + 1]);
  });
});

const loopNetwork = networkName();
const image = `${loopNetwork}:1`;

const imageThatRuns = (script: string): Promise<void> => makeImage(loopNetwork, '1', ['sh', '-c', script]);

const failingOf = async (torc: Torc): Promise<{ cause: string; output: string } | undefined> =>
  JSON.parse((await torc.get('/admin/slots')).text).slots[0].failing;

engineSuite('containers that keep failing', loopNetwork, test => {
  test.after(() => removeImage(image));

  test('an image that exits at once, then none, then a good one: causes in words, and recovery without a restart', async () => {
    await imageThatRuns('echo no database; sleep 0.3; exit 4');
    const torc = await spawnTorc({
      TORC_DRIVER: 'docker',
      TORC_NETWORK: loopNetwork,
      TORC_WORKERS: '1',
      TORC_REPLICAS: '1',
      TORC_IMAGE: image,
    });
    // One that ends while the engine still starts it has its last words in the cause.
    const says = (cause: RegExp, words: RegExp): Promise<void> =>
      waitFor(
        async () => {
          const failing = await failingOf(torc).catch(() => undefined);
          return (
            failing !== undefined &&
            cause.test(failing.cause) &&
            words.test(`${failing.cause}\n${failing.output}`)
          );
        },
        { timeoutMs: 60_000, what: `${cause} and ${words}` },
      );
    try {
      await says(/exit code 4/, /no database$/);
      await docker.getImage(image).remove({ force: true });
      await says(/is not on this engine/, /\n$/);
      await imageThatRuns('exec node replica.ts');
      await waitFor(async () => (await slotsOf(torc))[0]?.state === 'ready', {
        timeoutMs: 60_000,
        what: 'a ready slot',
      });
      assert.is(await failingOf(torc), undefined);
    } finally {
      await torc.close();
    }
    assert.is(torc.process.exitCode, 0, torc.output());
  });

  test('an image that never answers its heartbeat in slot 2, then a good one', async () => {
    await imageThatRuns('[ $SERVER_ID = 2 ] && exec sleep 600; exec node replica.ts');
    const torc = await spawnTorc({
      TORC_DRIVER: 'docker',
      TORC_NETWORK: loopNetwork,
      TORC_WORKERS: '1',
      TORC_IMAGE: image,
      TORC_START_TIMEOUT_MS: '20000',
    });
    try {
      await muteTest(torc, () => imageThatRuns('exec node replica.ts'));
    } finally {
      await torc.close();
    }
    assert.is(torc.process.exitCode, 0, torc.output());
  });
});
