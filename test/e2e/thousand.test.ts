// A thousand replicas on real sockets, proven one by one: all become ready, every worker routes by what there is, and none
// was taken for hung over the snapshots that this makes.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const thousand = suite('a thousand replicas');
const SLOTS = 1_000;

thousand('become ready, and no worker is ended meanwhile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'torc-thousand-'));
  const servers: Server[] = [];
  for (let number = 0; number < SLOTS; number++)
    servers.push(createServer((_request, response) => void response.end('here')).listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => server.listening || once(server, 'listening')));
  const file = join(folder, 'upstreams');
  writeFileSync(
    file,
    servers.map(server => `127.0.0.1:${(server.address() as AddressInfo).port}\n`).join(''),
  );
  const torc = await startTorc({ TORC_DRIVER: 'static', TORC_UPSTREAMS_FILE: file, TORC_WORKERS: '4' });
  try {
    const allReady = async (): Promise<boolean> => {
      const { ready } = JSON.parse((await torc.get('/admin/ready')).text) as { ready: number };
      return ready === SLOTS;
    };
    await waitFor(allReady, { timeoutMs: 90_000, what: 'all of a thousand' });
    const { text } = await torc.get('/admin/status');
    const { workers, safeToDeploy } = JSON.parse(text) as {
      workers: { restarts: number };
      safeToDeploy: object;
    };
    assert.is(workers.restarts, 0);
    assert.equal(safeToDeploy, { yes: true, reasons: [] });
  } finally {
    await torc.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(folder, { recursive: true, force: true });
  }
});

thousand.run();
