// The wall clock of torc, its workers and its replicas jumps an hour forth and back, by libfaketime, which reads the offset from a
// file at each look (the monotonic clock goes on, as when an administrator sets the date). Nobody is taken for dead, no request
// is lost, dates are right again, and a torc can be replaced whose replicas seem to be from the future. Skipped without the library.

import { existsSync, globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const HOUR_MS = 3_600_000;
/** Longer than a load average's hiccup, shorter than the jump. */
const ABOUT_MS = 600_000;
const JUMPS = ['+1h', '+0', '-1h', '+1h', '-1h', '+0'];
const OFFSET_MS: Record<string, number> = { '+1h': HOUR_MS, '+0': 0, '-1h': -HOUR_MS };
const [library = ''] = globSync('/usr/lib/*/faketime/libfaketime.so.1');

const test = suite('clock');
const dir = mkdtempSync(join(tmpdir(), 'torc-clock-'));
const file = join(dir, 'offset');
test.after(() => rmSync(dir, { recursive: true, force: true }));

function jump(offset: string): void {
  writeFileSync(`${file}.new`, `${offset}\n`);
  renameSync(`${file}.new`, file);
}

const isAt = async (torc: Torc, offset: string): Promise<boolean> => {
  const { headers } = await torc.get('/admin/slots', { connection: 'close' });
  return Math.abs(Date.parse(headers.get('date')!) - Date.now() - OFFSET_MS[offset]!) < ABOUT_MS;
};

const idsOf = async (torc: Torc): Promise<string> => {
  const ring = await torc.get('/admin/ring', { connection: 'close' });
  const { workers } = JSON.parse(ring.text) as { workers: { pid: number }[] };
  return `${workers.map(({ pid }) => pid)} ${(await slotsOf(torc)).map(({ replica }) => replica)}`;
};

const jumps = existsSync(library) ? test : test.skip;

jumps('an hour forth and back: same workers, same replicas, nothing lost; replaced in the past', async () => {
  jump('+0');
  const torc = await startTorc({
    ...{ TORC_WORKERS: '2', LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file },
    ...{ FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' },
  });
  try {
    const before = await idsOf(torc);
    const load = startLoad(torc.url, 8);
    for (const offset of JUMPS) {
      await load.flows();
      jump(offset);
      await waitFor(() => isAt(torc, offset), { timeoutMs: 60_000, what: `dates of ${offset}` });
      await load.flows();
    }
    assert.is(await idsOf(torc), before);
    jump('-1h');
    const replaced = await torc.send('POST', '/admin/replace', '', { connection: 'close' });
    assert.is(replaced.status, 200, replaced.text);
    assert.is((await idsOf(torc)).split(' pid')[1], before.split(' pid')[1], 'the same replicas');
    assert.equal(lostRequests(await load.stop()), []);
    assert.not.match(torc.output(), /is dead|a worker died/);
  } finally {
    await torc.close();
  }
});

test.run();
