// What happened last night: events of a run that was killed are told by the next one, by number and by time.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawClient } from '../support/raw.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';

const events = suite('events');

async function told(torc: Torc, query: string): Promise<number[]> {
  const client = await rawClient(torc.port);
  client.send(`GET /admin/events${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await client.has(': torc events');
  // The past comes with the first piece.
  await client.has('\r\n\r\n');
  const seqs = [...client.received.matchAll(/^id: (\d+)$/gm)].map(match => Number(match[1]));
  client.close();
  return seqs;
}

events('a killed torc leaves them to the next', async () => {
  const TORC_STATE_DIR = temporaryState();
  const PORT = String(await freePort());
  const settings = { TORC_STATE_DIR, PORT, TORC_WORKERS: '1', TORC_REPLICAS: '2' };
  const first = await startTorc(settings);
  const before = await told(first, '');
  assert.ok(before.length >= 2, String(before));
  first.process.kill('SIGKILL');
  await first.exited();
  const restartedAt = new Date().toISOString();
  const second = await startTorc(settings);
  try {
    const all = await told(second, '?since=0');
    assert.equal(all.slice(0, before.length), before);
    assert.equal(
      all,
      all.map((_, index) => index + 1),
      'numbers go on without a gap',
    );
    assert.ok(all.length > before.length, 'and there are new ones');
    assert.equal(await told(second, `?since=${before.at(-1)}`), all.slice(before.length));
    assert.equal(await told(second, `?since=${restartedAt}`), all.slice(before.length));
    assert.equal(await told(second, '?since=2999-01-01'), []);
    assert.is((await second.get('/admin/events?since=yesterday')).status, 400);
  } finally {
    await second.close();
  }
});

events.run();
