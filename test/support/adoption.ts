// torc killed with SIGKILL and started again: the same replicas, none restarted, none twice.

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from './healing.ts';
import { temporaryState } from './state.ts';
import { freePort, startTorc } from './torc.ts';

export function adoptionTest(test: Test, settings: Record<string, string>): void {
  test('torc killed with SIGKILL and started again adopts its replicas', async () => {
    const own = {
      ...settings,
      PORT: String(await freePort()),
      TORC_WORKERS: '1',
      TORC_STATE_DIR: temporaryState(),
    };
    const first = await startTorc(own);
    const before = await slotsOf(first);
    first.process.kill('SIGKILL');
    await first.exited();
    // From another shell, whose temporary directory is another one.
    const second = await startTorc({ ...own, TMPDIR: temporaryState() });
    try {
      assert.equal(await slotsOf(second), before);
      assert.is((await second.get('/request?request_id=1')).status, 200);
    } finally {
      await second.close();
    }
    assert.is(second.process.exitCode, 0, second.output());
  });
}
