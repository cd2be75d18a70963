// Suites that need a real Docker engine. Without one each of their tests becomes uvu's skip, so the run counts it; with
// TORC_TEST_DOCKER=require the absence is a failure instead (CI). Each suite works in a network name of its own, and
// whatever carries that name when the suite ends is removed, also after a failure.

import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';

export const docker = new Docker();

const answers = await docker.ping().then(
  () => true,
  () => false,
);
const required = process.env.TORC_TEST_DOCKER === 'require';

/** A name that nobody else on this engine has. */
export const networkName = (): string => `torctest-${randomBytes(3).toString('hex')}`;

/** `define` adds the tests; then they run, or are counted as skipped. */
export function engineSuite(name: string, network: string, define: (test: Test) => void): void {
  const test = suite(name);
  if (answers) {
    test.after(() => removeAll(network));
    define(test);
  } else if (required) {
    test('a Docker engine is there', () =>
      assert.unreachable('TORC_TEST_DOCKER=require, and no engine answers'));
  } else {
    // The test's own skip stands in for each of its tests.
    define(Object.assign(test.skip.bind(test), { before: none(), after: none() }) as unknown as Test);
  }
  test.run();
}

const none = (): object => Object.assign(() => {}, { each: () => {} });

/** Ids of all containers of that network's torc, stopped ones too. */
export async function containersOf(network: string): Promise<string[]> {
  const filters = { label: [`torc.network=${network}`] };
  return (await docker.listContainers({ all: true, filters })).map(info => info.Id);
}

/** Engine 20.10 says "unable to freeze" now and then on a busy machine: asked again, it does. */
export async function pauseContainer(id: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await docker.getContainer(id).pause();
      return;
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

export async function networkExists(network: string): Promise<boolean> {
  return (await docker.listNetworks({ filters: { name: [network] } })).some(found => found.Name === network);
}

export async function removeAll(network: string): Promise<void> {
  for (const id of await containersOf(network))
    await docker
      .getContainer(id)
      .remove({ force: true })
      .catch(() => {});
  await docker
    .getNetwork(network)
    .remove()
    .catch(() => {});
}
