// torc in a container that is killed: `docker compose down` leaves nothing behind all the same, because the reaper ends what
// torc could not; where Compose makes another torc in its place, that one takes the replicas over.

import * as assert from 'uvu/assert';
import { composeProject } from '../support/compose-stack.ts';
import { containersOf, docker, engineSuite, markersOf, networkName } from '../support/engine.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const project = await composeProject(network);
const { balancer, compose, run, readyCount } = project;

engineSuite('compose, killed', network, test => {
  const up = async (): Promise<void> => {
    const { code, output } = await compose('up', '-d', '--build');
    assert.is(code, 0, output);
    await waitFor(async () => (await readyCount()) === 3, { timeoutMs: 60_000, what: 'three replicas' });
    await waitFor(async () => (await named()).some(name => name.includes('-reaper-')), {
      timeoutMs: 60_000,
      what: 'the reaper',
    });
  };

  const named = async (): Promise<string[]> =>
    (await docker.listContainers({ all: true }))
      .flatMap(({ Names }) => Names)
      .filter(name => name.includes(network));

  /** Everything that has the network's name in its own, or is labelled with it. */
  async function leftOver(): Promise<string[]> {
    const networks = (await docker.listNetworks())
      .map(({ Name }) => Name)
      .filter(name => name.includes(network));
    const markers = (await markersOf(network)).map(({ Name }) => Name);
    return [...(await named()), ...networks, ...markers];
  }

  for (const [what, kill] of [
    ['docker kill', () => run('kill', balancer)],
    ['docker compose kill', () => compose('kill')],
  ] as const)
    test(`${what}, then down: nothing is left`, async () => {
      await up();
      assert.is((await kill()).code, 0);
      assert.is((await containersOf(network)).length, 3, 'they outlive it');
      const { code, output } = await compose('down');
      assert.is(code, 0, output);
      await waitFor(async () => (await leftOver()).length === 0, {
        timeoutMs: 30_000,
        what: 'the reaper to have ended all',
      });
    });

  test('killed, then up with another setting: the new torc takes the replicas over', async () => {
    await up();
    const replicas = (await containersOf(network)).sort();
    assert.is(replicas.length, 3);
    await run('kill', balancer);
    project.settings = { TORC_RETRIES: '1' };
    await up();
    assert.equal((await containersOf(network)).sort(), replicas);
    await compose('down');
    assert.equal(await leftOver(), []);
  });

  test.after(async () => {
    await compose('down', '-v');
  });
});
