// A machine that sleeps, or a group of processes that gets no CPU: torc, its workers and its replicas are stopped together and go
// on together. Nobody is taken for dead, and no request is lost.

import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { startTorc, type Torc } from '../support/torc.ts';

/** Longer than heartbeats, and a worker's sign of life, are waited for (2 s). */
const STOPPED_MS = 4_000;
const test = suite('suspended');

const childrenOf = (parent: number): number[] =>
  spawnSync('ps', ['--ppid', String(parent), '-o', 'pid=,args='], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(line => /main\.ts|replica/.test(line))
    .map(line => Number.parseInt(line, 10));

const workersOf = async (torc: Torc): Promise<number[]> => {
  const { workers } = JSON.parse((await torc.get('/admin/ring')).text) as { workers: { pid: number }[] };
  return workers.map(({ pid }) => pid);
};

test('all of it stopped for some seconds, twice: same workers, same replicas, nothing lost', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  try {
    const before = [await workersOf(torc), (await slotsOf(torc)).map(({ replica }) => replica)];
    const load = startLoad(torc.url, 16);
    for (let round = 0; round < 2; round++) {
      await load.flows();
      const all = [torc.process.pid!, ...childrenOf(torc.process.pid!)];
      assert.is(all.length, 6, 'the primary, two workers, three replicas');
      for (const pid of all) process.kill(pid, 'SIGSTOP');
      await new Promise(resolve => setTimeout(resolve, STOPPED_MS));
      for (const pid of all) process.kill(pid, 'SIGCONT');
      await load.flows();
    }
    const report = await load.stop();
    assert.equal(lostRequests(report), []);
    assert.equal([await workersOf(torc), (await slotsOf(torc)).map(({ replica }) => replica)], before);
    assert.not.match(torc.output(), /is dead|a worker died/);
  } finally {
    await torc.close();
  }
});

test.run();
