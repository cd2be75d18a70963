// What happened last night: events of a run that was killed are told by the next one, by number and by time, and a past
// that is longer than one answer in pages.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawClient } from '../support/raw.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const events = suite('events');

async function told(torc: Torc, query: string, fields = ''): Promise<number[]> {
  const client = await rawClient(torc.port);
  client.send(`GET /admin/events${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`);
  await client.has(': torc events');
  // The past comes with the first piece, which may come in several.
  const isWhole = (): boolean => {
    const at = client.received.indexOf('\r\n\r\n') + 4;
    const sizeEnd = client.received.indexOf('\r\n', at);
    const size = Number.parseInt(client.received.slice(at, sizeEnd), 16);
    return client.received.length >= sizeEnd + 2 + size;
  };
  await waitFor(isWhole, { timeoutMs: 20_000, what: 'the past' });
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
    const resumed = await told(second, '?since=0', `Last-Event-ID: ${before.at(-1)}\r\n`);
    assert.equal(resumed, all.slice(before.length), 'a reader that comes back goes on where it was');
    assert.is((await second.get('/admin/events?since=yesterday')).status, 400);
  } finally {
    await second.close();
  }
});

events('a long past comes in pages, each of which says what is next, and the last goes on', async () => {
  const TORC_STATE_DIR = temporaryState();
  const PORT = String(await freePort());
  const line = (seq: number): string =>
    `${JSON.stringify({ seq, atMs: seq, topic: 'scale', text: 'a decision' })}\n`;
  const text = Array.from({ length: 7_000 }, (_, index) => line(index + 1)).join('');
  writeFileSync(join(TORC_STATE_DIR, `events-127.0.0.1_${PORT}.jsonl`), text);
  const torc = await startTorc({ TORC_STATE_DIR, PORT, TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  try {
    const seqs: number[] = [];
    for (let pages = 0; pages < 2; pages++) {
      const page = (await torc.get(`/admin/events?since=${seqs.at(-1) ?? 0}`)).text;
      const found = [...page.matchAll(/^id: (\d+)$/gm)].map(match => Number(match[1]));
      assert.is(found.length, 3_000);
      assert.match(page, `: more follow: ?since=${found.at(-1)}\n`);
      seqs.push(...found);
    }
    seqs.push(...(await told(torc, `?since=${seqs.at(-1)}`)));
    assert.ok(seqs.length > 7_000, String(seqs.length));
    assert.equal(
      seqs,
      seqs.map((_, index) => index + 1),
    );
  } finally {
    await torc.close();
  }
});

events.run();
