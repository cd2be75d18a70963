// Healing on child processes: whatever is done to a replica, N ready replicas are back and no GET is lost.

import { suite } from 'uvu';
import { adoptionTest } from '../support/adoption.ts';
import { healingTests } from '../support/healing.ts';
import { startTorc } from '../support/torc.ts';

const signal =
  (name: NodeJS.Signals) =>
  async (pid: string): Promise<void> => {
    process.kill(Number(pid), name);
  };

const healing = suite('healing of processes');
healingTests(healing, () => startTorc({ TORC_WORKERS: '2' }), {
  'kill -9': signal('SIGKILL'),
  'kill (SIGTERM)': signal('SIGTERM'),
  'kill -STOP': signal('SIGSTOP'),
});
adoptionTest(healing, { TORC_DRIVER: 'process' });
healing.run();
