// The docker driver on Podman's socket, where Podman is installed: it starts, heals every fault, scales, adopts and takes all
// away, as on Docker. What differs inside (words of events, refused stops, networks that are null) is Podman 4.3's.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { answers, docker } from '../support/engine.ts';
import { healingTests } from '../support/healing.ts';
import { enterNamespaces, type Podman, startPodman, whyNot } from '../support/podman.ts';
import { temporaryState } from '../support/state.ts';
import { startTorc } from '../support/torc.ts';

const network = 'torctest-podman';
const other = 'torctest-podman-other';
const missing = answers ? whyNot() : 'the base image comes from a Docker engine, and none answers';
if (missing === null) enterNamespaces(import.meta.filename);
const test = suite('podman');

if (missing !== null) {
  test.skip(`Podman: ${missing}`);
} else {
  let podman: Podman;
  const containers = (): Promise<unknown[]> =>
    podman.docker.listContainers({ all: true, filters: { label: [`torc.network=${other}`] } });
  const settings = (TORC_NETWORK = network) => ({
    TORC_DRIVER: 'docker',
    TORC_NETWORK,
    TORC_WORKERS: '1',
    DOCKER_HOST: podman.url,
  });

  test.before(async () => {
    podman = await startPodman(docker);
  });

  healingTests(test, () => startTorc(settings()), {
    'podman kill': async id => {
      await podman.docker.getContainer(id).kill();
    },
    'podman stop': async id => {
      await podman.docker.getContainer(id).stop({ t: 1 });
    },
    'podman rm -f': async id => {
      await podman.docker.getContainer(id).remove({ force: true });
    },
    'podman network disconnect': async id => {
      await podman.docker.getNetwork(network).disconnect({ Container: id, Force: true });
    },
    'podman pause': async id => {
      await podman.docker.getContainer(id).pause();
    },
  });

  test('replicas are reached by address, scaled, taken over after a kill, and gone at the end', async () => {
    const stateDir = temporaryState();
    const first = await startTorc({ ...settings(other), TORC_REPLICAS: '2', TORC_STATE_DIR: stateDir });
    const slots = async (torc: typeof first): Promise<{ replica: string; address: string }[]> =>
      JSON.parse((await torc.get('/admin/slots')).text).slots;
    assert.is((await first.send('POST', '/add', { n: 1, hostnames: ['9'] })).status, 200);
    const before = await slots(first);
    assert.is(before.length, 3);
    for (const { address } of before) assert.match(address, /^10\.\d+\.\d+\.\d+:5000$/);
    first.process.kill('SIGKILL');
    await first.exited();
    const second = await startTorc({ ...settings(other), TORC_REPLICAS: '3', TORC_STATE_DIR: stateDir });
    try {
      const taken = (await slots(second)).map(({ replica }) => replica);
      for (const { replica } of before) assert.ok(taken.includes(replica), `${replica} in ${taken}`);
      assert.is((await second.send('DELETE', '/rm', { n: 1, hostnames: ['9'] })).status, 200);
      assert.is((await second.get('/home')).status, 200);
    } finally {
      await second.close();
    }
    assert.equal(await containers(), []);
    const networks = await podman.docker.listNetworks();
    assert.equal(
      networks.filter(({ Name }) => Name === other),
      [],
    );
  });

  test.after(() => podman.close());
}

test.run();
