// docker/in-front.compose.yaml: torc before a service that Compose runs, found by its name, without the engine's socket.

import * as assert from 'uvu/assert';
import { composeProject } from '../support/compose-stack.ts';
import { engineSuite, networkName } from '../support/engine.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const { compose, readyCount, run, url, balancer } = await composeProject(network, 'in-front.compose.yaml');

engineSuite('in front of a service', network, test => {
  test.after(async () => {
    await compose('down', '-v', '-t', '5');
  });

  test('three replicas of it serve, and torc has neither root nor the socket', async () => {
    const { code, output } = await compose('up', '-d', '--build');
    assert.is(code, 0, output);
    await waitFor(async () => (await readyCount()) === 3, {
      timeoutMs: 120_000,
      what: 'three ready replicas',
    });
    const names = new Set<string>();
    for (let id = 0; id < 60; id++) {
      const response = await fetch(`${url}/request?request_id=${id}`);
      names.add(((await response.json()) as { server_id: string }).server_id);
    }
    assert.is(names.size, 3);
    const look = await run('exec', balancer, 'sh', '-c', 'id -u; ls /var/run/docker.sock 2>&1');
    assert.match(look.output, /^1000\n.*No such file/s);
  });

  test('it follows when the service gets more, and when one is killed', async () => {
    const more = await compose('up', '-d', '--no-recreate', '--scale', 'app=4');
    assert.is(more.code, 0, more.output);
    await waitFor(async () => (await readyCount()) === 4, {
      timeoutMs: 120_000,
      what: 'four ready replicas',
    });
    await run('kill', `${network}-app-2`);
    for (let id = 0; id < 60; id++)
      assert.is((await fetch(`${url}/request?request_id=${id}`)).status, 200, `request ${id}`);
  });
});
