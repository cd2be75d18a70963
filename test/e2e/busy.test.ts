// Busy is not dead: a replica with one thread that works on one request answers nobody meanwhile, heartbeats included. It
// keeps that request, all others are served by its siblings, nothing is replaced; and one that is dead is replaced still.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from '../support/healing.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const busy = suite('busy');
const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
busy.after(() => rmSync(directory, { recursive: true, force: true }));

/** `?ms=` is how long its one thread works on the request. */
const program = join(directory, 'one-thread.cjs');
writeFileSync(
  program,
  `require('http').createServer((ask, reply) => {
    const ms = Number(new URL(ask.url, 'http://x').searchParams.get('ms'));
    for (const until = performance.now() + ms; performance.now() < until; );
    reply.end(String(process.pid));
  }).listen(process.env.PORT, '127.0.0.1');`,
);

const start = (deadAfterMs: string): Promise<Torc> =>
  startTorc({
    TORC_WORKERS: '2',
    TORC_REPLICA_COMMAND: `exec ${process.execPath} ${program}`,
    TORC_HEARTBEAT_INTERVAL_MS: '300',
    TORC_HEARTBEAT_TIMEOUT_MS: '300',
    TORC_DEAD_AFTER_MS: deadAfterMs,
  });

busy(
  'a GET that keeps a replica busy is answered by it, others are served meanwhile, nothing is replaced',
  async () => {
    const torc = await start('60000');
    try {
      const before = await slotsOf(torc);
      const long = torc.get('/report?request_id=7&ms=3000');
      const isOut = (): boolean => torc.lines().some(line => line.to === 'suspect');
      const statuses: number[] = [];
      await waitFor(
        async () => {
          statuses.push((await torc.get(`/?request_id=${statuses.length}`)).status);
          return isOut();
        },
        { timeoutMs: 30_000, what: 'the busy one to leave routing' },
      );
      for (let key = 0; key < 200; key++) statuses.push((await torc.get(`/?request_id=${key}`)).status);
      const { status, text } = await long;
      assert.is(status, 200);
      const { slot } = torc.lines().find(line => line.to === 'suspect')!;
      assert.is(`pid ${text}`, before.find(({ name }) => name === slot)!.replica, 'by the one that began it');
      assert.equal([...new Set(statuses)], [200]);
      await waitFor(async () => (await slotsOf(torc)).every(({ state }) => state === 'ready'), {
        timeoutMs: 30_000,
        what: 'it to be back',
      });
      assert.equal(await slotsOf(torc), before);
    } finally {
      await torc.close();
    }
  },
);

busy('one that gives no sign of life is ended, and its request answered by another', async () => {
  const torc = await start('1500');
  try {
    // Whoever has it is stopped; what waits there goes to a sibling when it is dead, not before.
    const [victim] = await slotsOf(torc);
    const pid = Number(victim!.replica.replace('pid ', ''));
    let key = 0;
    while ((await torc.get(`/?request_id=${key}`)).text !== String(pid)) key++;
    process.kill(pid, 'SIGSTOP');
    const startedMs = performance.now();
    const { status, text } = await torc.get(`/?request_id=${key}`);
    assert.is(status, 200);
    assert.is.not(text, String(pid));
    assert.ok(performance.now() - startedMs >= 1_500, 'it had its time');
    const dead = torc.lines().find(line => line.to === 'dead' && line.slot === victim!.name);
    assert.match(String(dead?.cause), /^no sign of life for .*: heartbeat missed: GET /);
  } finally {
    await torc.close();
  }
});

busy.run();
