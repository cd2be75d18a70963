// What may not be sent twice, at containers that hang, are removed, or lose their network: nobody closes the connections
// of the last, so that only torc's own knowledge of its end ends them.

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { begunTests, PATIENT } from '../support/begun.ts';
import {
  docker,
  engineSuite,
  makeImage,
  networkName,
  pauseContainer,
  removeImage,
} from '../support/engine.ts';
import { startTorc } from '../support/torc.ts';

const network = networkName();
const program = readFileSync(join(import.meta.dirname, '..', 'support', 'slow-replica.ts'), 'utf8');

engineSuite('begun requests, containers', network, test => {
  test.before(() =>
    makeImage(network, '1', ['node', '--input-type=module', '-e', stripTypeScriptTypes(program)]),
  );
  test.after(() => removeImage(`${network}:1`));
  begunTests(
    test,
    () =>
      startTorc({
        ...PATIENT,
        TORC_DRIVER: 'docker',
        TORC_NETWORK: network,
        TORC_IMAGE: `${network}:1`,
        TORC_WORKERS: '1',
      }),
    {
      'docker network disconnect': id =>
        docker.getNetwork(network).disconnect({ Container: id, Force: true }),
      'docker rm -f': id => docker.getContainer(id).remove({ force: true }),
      'docker pause': pauseContainer,
    },
  );
});
