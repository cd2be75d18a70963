// No request is lost while containers are broken under load, by torc's own engine or behind its back, with a warm spare
// and without.

import { docker, engineSuite, networkName, pauseContainer } from '../support/engine.ts';
import { startTorc } from '../support/torc.ts';
import { zeroLossTests } from '../support/zero-loss.ts';

const cold = networkName();
engineSuite('zero loss, containers', cold, test => {
  zeroLossTests(test, () => startTorc({ TORC_DRIVER: 'docker', TORC_NETWORK: cold, TORC_WORKERS: '2' }), {
    'docker kill': id => docker.getContainer(id).kill(),
    'docker stop': id => docker.getContainer(id).stop(),
    'docker rm -f': id => docker.getContainer(id).remove({ force: true }),
    'docker pause': pauseContainer,
    'docker network disconnect': id => docker.getNetwork(cold).disconnect({ Container: id, Force: true }),
  });
});

const warm = networkName();
engineSuite('zero loss, containers with a warm spare', warm, test => {
  const settings = { TORC_DRIVER: 'docker', TORC_NETWORK: warm, TORC_WORKERS: '2', TORC_SPARES: '1' };
  zeroLossTests(test, () => startTorc(settings), {
    'docker kill': id => docker.getContainer(id).kill(),
    'docker pause': pauseContainer,
  });
});
