// No request is lost while replicas of child processes are broken under load; a worker takes only its own connections.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from '../support/healing.ts';
import { lostCount, lostRequests, startLoad } from '../support/load.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';
import { zeroLossTests } from '../support/zero-loss.ts';

const cutting = join(import.meta.dirname, '..', 'support', 'cutting-replica.ts');
const signal =
  (name: NodeJS.Signals) =>
  async (pid: string): Promise<void> => {
    process.kill(Number(pid), name);
  };

const zeroLoss = suite('zero loss, processes');
zeroLossTests(zeroLoss, () => startTorc({ TORC_WORKERS: '2' }), {
  'kill -9': signal('SIGKILL'),
  'kill (SIGTERM)': signal('SIGTERM'),
  'kill -STOP': signal('SIGSTOP'),
});

zeroLoss('no request is lost: sockets closed in mid-answer, before the head', async () => {
  const command = `exec ${process.execPath} ${cutting}`;
  const torc = await startTorc({ TORC_WORKERS: '2', TORC_REPLICA_COMMAND: command });
  try {
    const load = startLoad(torc.url, 64);
    for (const { replica } of await slotsOf(torc)) {
      await load.flows();
      process.kill(Number(replica.replace('pid ', '')), 'SIGUSR2');
    }
    await load.flows();
    const report = await load.stop();
    assert.equal(lostRequests(report), []);
    assert.ok(report.sent.GET > 100, 'there was a load');
  } finally {
    await torc.close();
  }
});

zeroLoss('a worker killed under load loses the requests of its own connections, and no other', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  try {
    const load = startLoad(torc.url, 64);
    await load.flows();
    const workers = await workersOf(torc);
    process.kill(workers[0]!.pid, 'SIGKILL');
    const isReplaced = async (): Promise<boolean> => {
      const now = await workersOf(torc).catch(() => []);
      return now.length === 2 && now.every(worker => worker.pid !== workers[0]!.pid && worker.current);
    };
    await waitFor(isReplaced, { timeoutMs: 20_000, what: 'a new worker with the current snapshot' });
    const report = await load.stop();
    const isConnection = (cause: string): boolean => /^(ECONNRESET|EPIPE|socket hang up)$/.test(cause);
    assert.equal(
      lostRequests(report).filter(({ cause }) => !isConnection(cause)),
      [],
    );
    assert.ok(lostCount(report) < 64, `${lostCount(report)} lost, of 64 connections`);
    assert.ok(report.sent.GET > 100, 'there was a load');
  } finally {
    await torc.close();
  }
});

type WorkerState = { readonly pid: number; readonly current: boolean };

const workersOf = async (torc: Torc): Promise<WorkerState[]> =>
  (JSON.parse((await torc.get('/admin/ring')).text) as { workers: WorkerState[] }).workers;

zeroLoss.run();
