// A worker's death takes the requests that it was serving, and nothing else: its listening sockets are the primary's, so what
// waits in them is served by another worker, or by its successor.

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startFresh, sumOf } from '../support/fresh.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 60_000 };
const PARALLEL = 16;
const KILLS = 5;

const death = suite('worker death');
const dir = mkdtempSync(join(tmpdir(), 'torc-death-'));
death.after(() => rmSync(dir, { recursive: true, force: true }));

const workersOf = async (torc: Torc): Promise<number[]> => {
  const answer = await torc.get('/admin/ring', { connection: 'close' });
  const { workers } = JSON.parse(answer.text) as { workers: { pid: number; current: boolean }[] };
  return workers.filter(({ current }) => current).map(({ pid }) => pid);
};

async function killOne(torc: Torc, count: number): Promise<void> {
  let victim = 0;
  await waitFor(
    async () => {
      const now = await workersOf(torc).catch((): number[] => []);
      victim = now[0] ?? 0;
      return now.length === count;
    },
    { ...LONG, what: 'all workers' },
  );
  process.kill(victim, 'SIGKILL');
  await waitFor(
    async () => {
      const now = await workersOf(torc).catch((): number[] => []);
      return now.length === count && !now.includes(victim);
    },
    { ...LONG, what: 'a successor' },
  );
}

for (const [workers, where] of [
  [2, 'an address'],
  [1, 'an address'],
  [2, 'a unix socket'],
] as const)
  death(`${KILLS} kills of one of ${workers} workers at ${where}: no connect is refused`, async () => {
    const path = join(dir, `${workers}.sock`);
    const port = await freePort();
    const torc = await startTorc({
      TORC_WORKERS: String(workers),
      TORC_REPLICAS: '1',
      TORC_LISTEN: `unix:${path},127.0.0.1:${port}`,
      PORT: String(port),
    });
    try {
      const load = startFresh(where === 'a unix socket' ? path : port, PARALLEL);
      for (let kill = 0; kill < KILLS; kill++) {
        await load.flows();
        await killOne(torc, workers);
      }
      await load.flows();
      const report = await load.stop();
      assert.equal(report.refused, {});
      assert.ok(sumOf(report.lost) <= KILLS * PARALLEL, JSON.stringify(report));
    } finally {
      await torc.close();
    }
  });

for (const workers of [2, 1])
  death(`what waits for a worker that dies is answered, with ${workers} workers`, async () => {
    const torc = await startTorc({ TORC_WORKERS: String(workers), TORC_REPLICAS: '1' });
    try {
      const [victim] = await workersOf(torc);
      // It accepts nothing any more, so what it would lose is in the kernel's queue alone.
      process.kill(victim!, 'SIGSTOP');
      const ask = (): Promise<string> =>
        new Promise(resolve => {
          let text = '';
          const socket = connect(torc.port, '127.0.0.1', () =>
            socket.write('GET /home HTTP/1.1\r\nhost: torc\r\nconnection: close\r\n\r\n'),
          );
          socket.on('data', chunk => {
            text += chunk;
          });
          socket.on('error', error => resolve(error.message));
          socket.on('close', () => resolve(text.split('\r\n')[0]!));
        });
      const asked = Array.from({ length: 40 }, ask);
      process.kill(victim!, 'SIGKILL');
      const answers = new Set(await Promise.all(asked));
      assert.equal([...answers], ['HTTP/1.1 200 OK']);
    } finally {
      await torc.close();
    }
  });

death.run();
