// What may not be sent twice, at a replica that hangs: it keeps its chance until that is stopped, and then ends.

import { join } from 'node:path';
import { suite } from 'uvu';
import { answered, beginPost, begunTests, PATIENT, strikeSecond } from '../support/begun.ts';
import { startTorc } from '../support/torc.ts';
import { allReady } from '../support/zero-loss.ts';

const program = join(import.meta.dirname, '..', 'support', 'slow-replica.ts');
const settings = {
  ...PATIENT,
  TORC_WORKERS: '1',
  TORC_REPLICA_COMMAND: `exec ${process.execPath} ${program}`,
};
const signal =
  (name: NodeJS.Signals) =>
  async (pid: string): Promise<void> => {
    process.kill(Number(pid), name);
  };

const begun = suite('begun requests, processes');

begunTests(begun, () => startTorc(settings), {
  'kill -9': signal('SIGKILL'),
  'kill -STOP': signal('SIGSTOP'),
});

begun(
  'a POST at a replica that hung gets its answer when that wakes up once more before its end',
  async () => {
    const torc = await startTorc(settings);
    try {
      const writer = await beginPost(torc, '/end');
      await strikeSecond(torc, signal('SIGSTOP'));
      await answered(writer, /^HTTP\/1\.1 200 .*at last/s);
      writer.close();
      await allReady(torc);
    } finally {
      await torc.close();
    }
  },
);

begun.run();
