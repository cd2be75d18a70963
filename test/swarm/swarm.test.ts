// Torc over a real swarm of three machines: the service is made, rolled out, loses a machine and gets it back, and goes. All of
// it under load, and no request that may be repeated is lost. Without a lab (test/support/swarm-lab.ts) counted as skipped.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { docker, ensureBundledImage } from '../support/engine.ts';
import { temporaryState } from '../support/state.ts';
import {
  ask,
  type LabTorc,
  type LoadReport,
  lab,
  labScript,
  onNode,
  placesOf,
  startLabLoad,
  startLabTorc,
} from '../support/swarm-lab.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = 60;
const IMAGE = 'torc-replica:latest';
const NEXT = 'torc-replica:next';
/** The image's own check is a program that starts each time: too much for a machine that is busy with tests. */
const COMPOSE = `
services:
  app:
    image: ${IMAGE}
    scale: 6
    environment: { WHO: 'slot {{slot}}' }
    stop_grace_period: 2s
    healthcheck: { disable: true }
`;

const swarm = suite('swarm, real machines');
if (labScript === '') define(swarm.skip.bind(swarm) as unknown as Test);
else define(swarm);
swarm.run();

function define(test: Test): void {
  let torc: LabTorc;
  let second: LabTorc | undefined;
  let places: ReadonlyMap<number, string>;

  if (labScript !== '') {
    swarm.before(async () => {
      process.env.MANAGERS = '1';
      await lab('up', '3');
      await ensureBundledImage();
      await docker.getImage(IMAGE).tag({ repo: 'torc-replica', tag: 'next' });
      await lab('load', IMAGE, NEXT);
      const compose = join(temporaryState(), 'compose.yaml');
      writeFileSync(compose, COMPOSE);
      torc = await startLabTorc({
        DOCKER_HOST: `unix://${await lab('socket', '1')}`,
        TORC_SERVICE: 'web',
        TORC_COMPOSE: compose,
        // A machine that is busy with tests is slow.
        TORC_HEARTBEAT_TIMEOUT_MS: '1000',
      });
    });
    swarm.after(async () => {
      await second?.close();
      await torc?.close();
      await lab('down');
      await docker.getImage(NEXT).remove();
    });
  }

  const allReady = (
    what: string,
    more: (slots: Awaited<ReturnType<LabTorc['slots']>>) => boolean = () => true,
  ) =>
    waitFor(
      async () => {
        const slots = await torc.slots();
        return slots.length === 6 && slots.every(({ state }) => state === 'ready') && more(slots);
      },
      { timeoutMs: 90_000, what },
    );

  /** Nothing that may be repeated is lost meanwhile. */
  async function underLoad(work: () => Promise<void>, by = torc): Promise<void> {
    const load = startLabLoad(by.socket);
    let report: LoadReport;
    try {
      await work();
    } catch (error) {
      const tasks = await onNode(1, 'service', 'ps', 'web', '--no-trunc').catch(String);
      throw new Error(`${(error as Error).message}\n${tasks}`, { cause: error });
    } finally {
      report = await load.end();
    }
    assert.equal([...report.causes], []);
    assert.ok(report.count > 100, `${report.count} requests`);
  }

  test('the service is made, of as many tasks, with slots for names', async () => {
    await allReady('six slots');
    assert.equal(
      (await torc.slots()).map(({ name }) => name),
      ['1', '2', '3', '4', '5', '6'],
    );
    places = await placesOf(torc.socket, KEYS);
    assert.ok(new Set(places.values()).size > 3, 'keys are spread');
  });

  test('scaled up and down: the slots that stay keep their keys', async () => {
    await underLoad(async () => {
      const added = await torc.control('POST', '/add', '{"n":2}');
      assert.is(added.status, 200, added.text);
      const removed = await torc.control('DELETE', '/rm', '{"n":2}');
      assert.is(removed.status, 200, removed.text);
    });
    const names = (await torc.slots()).map(({ name }) => name);
    assert.is(names.length, 6);
    for (const [key, slot] of await placesOf(torc.socket, KEYS))
      if (names.includes(places.get(key)!)) assert.is(slot, places.get(key), `key ${key}`);
    places = await placesOf(torc.socket, KEYS);
  });

  test("a roll-out is Swarm's own: no slot is without, no request is lost, no key moves", async () => {
    await underLoad(async () => {
      const rolled = await torc.control('POST', '/admin/rollout', JSON.stringify({ image: NEXT }));
      assert.is(rolled.status, 200, rolled.text);
      await allReady('the next image', slots => slots.every(({ image }) => image === NEXT));
    });
    assert.equal(await placesOf(torc.socket, KEYS), places);
  });

  test('a machine is lost: its slots answer elsewhere, and the place it has is given back when it returns', async () => {
    const constraints = (): Promise<string> =>
      onNode(1, 'service', 'inspect', 'web', '--format', '{{.Spec.TaskTemplate.Placement.Constraints}}');
    await underLoad(async () => {
      const on3 = (await onNode(1, 'node', 'ps', 'n3', '-f', 'desired-state=running', '-q'))
        .split('\n')
        .filter(Boolean);
      assert.ok(on3.length > 0, 'it runs something');
      await lab('poweroff', '3');
      await waitFor(async () => (await constraints()).includes('node.id!='), {
        timeoutMs: 60_000,
        what: 'an evacuation',
      });
      await allReady('all slots, elsewhere');
      assert.equal(await placesOf(torc.socket, KEYS), places);
      await lab('poweron', '3');
      await waitFor(async () => !(await constraints()).includes('node.id!='), {
        timeoutMs: 100_000,
        what: 'its place',
      });
      await allReady('nothing more moves');
    });
    assert.equal(await placesOf(torc.socket, KEYS), places);
  });

  const digestOf = async (of: LabTorc): Promise<string> =>
    (JSON.parse((await of.control('GET', '/admin/ring')).text) as { digest: string }).digest;

  test('a second torc takes the service, routes alike, and is replaced by a third under load', async () => {
    second = await startLabTorc({
      DOCKER_HOST: `unix://${await lab('socket', '1')}`,
      TORC_SERVICE: 'web',
      TORC_HEARTBEAT_TIMEOUT_MS: '1000',
    });
    await waitFor(async () => (await digestOf(second!)) === (await digestOf(torc)), {
      timeoutMs: 30_000,
      what: 'one digest',
    });
    assert.equal(await placesOf(second.socket, KEYS), places);
    await underLoad(async () => {
      const replaced = await second!.control('POST', '/admin/replace');
      assert.is(replaced.status, 200, replaced.text);
    }, second);
    assert.is(await digestOf(second), await digestOf(torc));
    assert.equal(await placesOf(second.socket, KEYS), places);
  });

  test('the second one ends: the service stays, for it is not its own', async () => {
    await second!.close();
    second = await startLabTorc({
      DOCKER_HOST: `unix://${await lab('socket', '1')}`,
      TORC_SERVICE: 'web',
      TORC_HEARTBEAT_TIMEOUT_MS: '1000',
    });
    assert.equal(await placesOf(second.socket, KEYS), places);
  });

  test('at exit the service that torc made goes, and the other torc says why it has nobody', async () => {
    await torc.close();
    assert.is(await onNode(1, 'service', 'ls', '-q'), '');
    await waitFor(() => second!.output().includes('there is no service web any more'), {
      timeoutMs: 30_000,
      what: 'why',
    });
    await waitFor(async () => (await ask(second!.socket, 'GET', '/request?request_id=1')).status === 503, {
      timeoutMs: 30_000,
      what: '503',
    });
  });
}
