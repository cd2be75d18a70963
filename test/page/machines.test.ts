// Where replicas are on several machines: which slot is on which, on the page, in its filter, and in `torc status`. Over the
// test's own swarm, whose two tasks are one server of this process.

import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { browserSuite } from '../support/browser.ts';
import { FakeSwarm, fakeManager, node, SPEC, task } from '../support/fake-swarm.ts';
import { startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const run = promisify(execFile);
const command = join(import.meta.dirname, '..', '..', 'src', 'torc.cjs');

browserSuite('page with machines', (test, open) => {
  test('each slot says on which machine it is', async () => {
    const origin = createServer((_request, response) => response.end('ok'));
    await new Promise<void>(resolve => origin.listen(0, '127.0.0.1', resolve));
    const { port } = origin.address() as AddressInfo;
    const swarm = new FakeSwarm(SPEC);
    const Status = { State: 'ready', Addr: '127.0.0.1' };
    swarm.nodes = ['n1', 'n2'].map(id => ({ ...node(id), Status }));
    const Ports = [{ TargetPort: 8080, PublishedPort: port, PublishMode: 'host' }];
    swarm.tasks = ['1 t1 n1', '2 t2 n2'].map(text =>
      task(text, { Status: { State: 'running', PortStatus: { Ports } } }),
    );
    const fake = await fakeManager(swarm);
    const torc = await startTorc({
      DOCKER_HOST: fake.url,
      TORC_DRIVER: 'swarm',
      TORC_SERVICE: 'web',
      TORC_WORKERS: '1',
    });
    const screen = await open(`${torc.url}/admin/`);
    try {
      await screen.says('tr[data-slot="1"] .replica', /web\.1\.t1 on host-n1/);
      await screen.says('tr[data-slot="2"] .replica', /web\.2\.t2 on host-n2/);
      await screen.page.fill('#slot-filter', 'host-n2');
      const rows = screen.page.locator('tr.slot');
      await waitFor(async () => (await rows.count()) === 1, { timeoutMs: 20_000, what: 'the one row' });
      assert.is(await rows.first().getAttribute('data-slot'), '2');
      screen.clean();
      const { stdout } = await run(process.execPath, [command, 'status', '--url', torc.url]);
      assert.match(stdout, /^2 +ready +web\.2\.t2 +127\.0\.0\.1:\d+ +host-n2 /m);
    } finally {
      await screen.close();
      await torc.close();
      fake.close();
      origin.closeAllConnections();
      origin.close();
    }
  });
});
