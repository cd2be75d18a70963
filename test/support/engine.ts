// Suites that need a real Docker engine. Without one each of their tests becomes uvu's skip, so the run counts it; with
// TORC_TEST_DOCKER=require the absence is a failure instead (CI). Each suite works in a network name of its own, and
// whatever carries that name when the suite ends is removed, also after a failure.

import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { Engine } from '../../src/drivers/docker/engine.ts';
import { BUNDLED_IMAGE, ensureImage } from '../../src/drivers/docker/image.ts';

export const docker = new Docker();

export const answers = await docker.ping().then(
  () => true,
  () => false,
);
export const required = process.env.TORC_TEST_DOCKER === 'require';

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

export const ensureBundledImage = (): Promise<unknown> => ensureImage(new Engine(), BUNDLED_IMAGE, () => {});

/** Gives the tag of `name` to an image like the bundled one whose replicas run a program of the test instead. */
export async function makeImage(name: string, tag: string, entrypoint: string[]): Promise<void> {
  await ensureBundledImage();
  const template = await docker.createContainer({ Image: BUNDLED_IMAGE, Entrypoint: entrypoint });
  await template.commit({ repo: name, tag });
  await template.remove({ force: true });
}

export async function removeImage(image: string): Promise<void> {
  await docker
    .getImage(image)
    .remove({ force: true })
    .catch(() => {}); // it was never made
}

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
  for (const { Name } of await markersOf(network))
    await docker
      .getVolume(Name)
      .remove()
      .catch(() => {});
}

/** The volumes by which torcs tell each other that the network is taken. */
export async function markersOf(network: string): Promise<Docker.VolumeInspectInfo[]> {
  const filters = { label: [`torc.lease=${network}`] };
  return (await docker.listVolumes({ filters })).Volumes ?? [];
}
