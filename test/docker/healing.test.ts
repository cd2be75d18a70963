// Healing on a real engine: whatever is done to a container, by torc's own socket or behind its back, N ready replicas
// are back and no GET is lost.

import * as assert from 'uvu/assert';
import { adoptionTest } from '../support/adoption.ts';
import { containersOf, docker, engineSuite, networkExists, networkName } from '../support/engine.ts';
import { healingTests } from '../support/healing.ts';
import { sendMany, startTorc } from '../support/torc.ts';

const network = networkName();

engineSuite('healing of containers', network, test => {
  healingTests(test, () => startTorc({ TORC_DRIVER: 'docker', TORC_NETWORK: network, TORC_WORKERS: '2' }), {
    'docker kill': id => docker.getContainer(id).kill(),
    'docker stop': id => docker.getContainer(id).stop(),
    'docker rm -f': id => docker.getContainer(id).remove({ force: true }),
    'docker pause': id => docker.getContainer(id).pause(),
    'docker network disconnect': id => docker.getNetwork(network).disconnect({ Container: id, Force: true }),
  });
});

const ownNetwork = networkName();

engineSuite('torc on an engine', ownNetwork, test => {
  adoptionTest(test, { TORC_DRIVER: 'docker', TORC_NETWORK: ownNetwork });

  test('answers, balances, and leaves no container and no network behind', async () => {
    const torc = await startTorc({ TORC_DRIVER: 'docker', TORC_NETWORK: ownNetwork });
    try {
      const sent = await sendMany(i => `${torc.url}/request?request_id=${i + 1}`, 1000, 32);
      assert.equal(sent.statuses, { 200: 1000 });
      assert.equal(Object.keys(sent.slots).sort(), ['1', '2', '3']);
      assert.is((await containersOf(ownNetwork)).length, 3);
    } finally {
      await torc.close();
    }
    assert.is(torc.process.exitCode, 0, torc.output());
    assert.equal(await containersOf(ownNetwork), []);
    assert.not.ok(await networkExists(ownNetwork));
  });
});
