// `/admin/status`: each reason against a deployment as a table, and a real torc that loses a replica and is whole again.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type StatusSource, statusView } from '../../src/admin/status.ts';
import type { SlotView } from '../../src/control/supervisor.ts';
import { slotsOf } from '../support/healing.ts';
import { startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

interface Status {
  readonly replicas: { readonly ready: number; readonly of: number };
  readonly safeToDeploy: { readonly yes: boolean; readonly reasons: readonly string[] };
}

const status = suite('status');

const slot = (name: string, state: SlotView['state'] = 'ready'): SlotView => ({
  name,
  id: 0,
  state,
  weight: 1,
  serverId: null,
  generation: 1,
  replicaId: '',
  label: '',
  image: '',
  version: '',
  address: '',
  machine: '',
  change: { atMs: 0, cause: 'exit code 1', source: 'event' },
  readyForMs: null,
  failing: null,
});
const worker = { worker: 1, pid: 2, epoch: 7, checksum: 9 };
const well: StatusSource = {
  version: '1.2.3',
  startedMs: 0,
  driver: 'docker',
  program: 'app:1',
  driverState: { reachable: true, sinceMs: 0, cause: null },
  difference: '',
  slots: [slot('1'), slot('2')],
  spares: [],
  wantedSpares: 0,
  rollout: null,
  snapshot: { epoch: 7, checksum: 9, algorithm: 'rendezvous' },
  digest: '0123456789abcdef',
  workers: [worker],
  wantedWorkers: 1,
  workerRestarts: 0,
  settings: {},
  totals: { requests: 0, retries: 0, budgetRefusals: 0, logDropped: 0 },
};
const rollout = { version: 'app:2', done: [], now: '1', left: ['1'], startedMs: 0, endedMs: null, why: null };

for (const [what, change, reasons] of [
  ['all is well', {}, []],
  ['a slot is out', { slots: [slot('1'), slot('2', 'dead')] }, ['slot 2 is dead: exit code 1']],
  ['a spare is missing', { wantedSpares: 1 }, ['0 of 1 spares are ready']],
  [
    'the engine is away',
    { driverState: { reachable: false, sinceMs: 0, cause: 'no socket' } },
    ['the docker driver does not answer since 1970-01-01T00:00:00.000Z: no socket'],
  ],
  ['a roll-out', { rollout: { ...rollout, state: 'running' } }, ['a roll-out of app:2 is under way']],
  ['a roll-out that is over', { rollout: { ...rollout, state: 'succeeded' } }, []],
  [
    'a worker is behind',
    { workers: [{ ...worker, epoch: 6 }] },
    ['0 of 1 workers route by the current snapshot'],
  ],
  ['a worker is missing', { wantedWorkers: 2 }, ['1 of 2 workers route by the current snapshot']],
] as const) {
  status(what, () => {
    const { safeToDeploy } = statusView({ ...well, ...(change as Partial<StatusSource>) }) as Status;
    assert.equal(safeToDeploy, { yes: reasons.length === 0, reasons });
  });
}

status('a real one: whole, without a replica, whole again', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  const current = async (): Promise<Status> => JSON.parse((await torc.get('/admin/status')).text);
  try {
    assert.equal((await current()).safeToDeploy, { yes: true, reasons: [] });
    const victim = (await slotsOf(torc)).find(({ name }) => name === '2')!;
    process.kill(Number(victim.replica.replace('pid ', '')), 'SIGSTOP');
    await waitFor(async () => !(await current()).safeToDeploy.yes, { timeoutMs: 20_000, what: 'a no' });
    assert.match((await current()).safeToDeploy.reasons.join(), /^slot 2 is /);
    await waitFor(async () => (await current()).safeToDeploy.yes, { timeoutMs: 30_000, what: 'a yes again' });
    assert.equal((await current()).replicas, { ready: 3, of: 3, notReady: [] });
  } finally {
    await torc.close();
  }
});

status.run();
