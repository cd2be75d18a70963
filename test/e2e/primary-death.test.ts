// The primary is killed while clients use torc: its workers serve on, and say so to whoever asks for something that only it
// could do. A torc that is started then takes over without a lost request; where none is, they end by themselves.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startFresh, sumOf } from '../support/fresh.ts';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { temporaryState } from '../support/state.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 60_000 };
const death = suite('primary death');

const workersOf = async (torc: Torc): Promise<number[]> => {
  const answer = await torc.get('/admin/ring', { connection: 'close' });
  return (JSON.parse(answer.text) as { workers: { pid: number }[] }).workers.map(({ pid }) => pid);
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function kill(torc: Torc): Promise<void> {
  torc.process.kill('SIGKILL');
  await waitFor(() => torc.process.signalCode !== null, { ...LONG, what: 'the end of the primary' });
}

death('nothing is refused and nothing is lost: the workers serve on, and a new torc takes over', async () => {
  const settings = { TORC_WORKERS: '2', TORC_OUTLIVE_MS: '60000', TORC_STATE_DIR: temporaryState() };
  let torc = await startTorc(settings);
  const started = [torc];
  const again = { ...settings, PORT: String(torc.port) };
  const seen: number[] = [];
  try {
    const replicas = (await slotsOf(torc)).map(({ replica }) => replica);
    const kept = startLoad(torc.url, 32);
    const fresh = startFresh(torc.port, 8);
    for (let count = 0; count < 2; count++) {
      await Promise.all([kept.flows(), fresh.flows()]);
      const orphans = await workersOf(torc);
      seen.push(...orphans);
      await kill(torc);
      await Promise.all([kept.flows(), fresh.flows()]);
      const refused = await torc.get('/rep', { connection: 'close' });
      assert.is(refused.status, 503);
      assert.match(refused.text, /primary is gone/);
      torc = await startTorc(again);
      started.push(torc);
      await waitFor(() => !orphans.some(isAlive), { ...LONG, what: 'the end of the old workers' });
      await Promise.all([kept.flows(), fresh.flows()]);
      assert.match(torc.output(), /2 workers of a torc that died have served on/);
      assert.is((await torc.get('/rep', { connection: 'close' })).status, 200);
    }
    const [keptReport, freshReport] = await Promise.all([kept.stop(), fresh.stop()]);
    assert.equal(lostRequests(keptReport), []);
    assert.equal(freshReport.refused, {});
    // What the kernel queued between the last look at a socket and its close (docs/decisions/0029-primary-death.md).
    assert.ok(sumOf(freshReport.lost) <= 2, JSON.stringify(freshReport));
    assert.equal(
      (await slotsOf(torc)).map(({ replica }) => replica),
      replicas,
    );
  } finally {
    for (const each of started) await each.close();
    for (const pid of seen) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
});

death('where nobody takes over, they end by themselves, or at once where they shall', async () => {
  for (const [outliveMs, servesOn] of [
    ['1500', true],
    ['0', false],
  ] as const) {
    const settings = { TORC_WORKERS: '1', TORC_REPLICAS: '1', TORC_STATE_DIR: temporaryState() };
    const torc = await startTorc({ ...settings, TORC_OUTLIVE_MS: outliveMs });
    const workers = await workersOf(torc);
    await kill(torc);
    if (servesOn) assert.is((await torc.get('/home', { connection: 'close' })).status, 200);
    await waitFor(() => !workers.some(isAlive), { ...LONG, what: 'the end of the workers' });
    // What it left is taken over, and removed.
    const next = await startTorc({ ...settings, PORT: String(torc.port) });
    await next.close();
    assert.is(next.process.exitCode, 0);
  }
});

death.run();
