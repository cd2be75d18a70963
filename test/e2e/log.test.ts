// A log that nobody reads never stops torc: the real process, its stdout a socket whose other end stands still. And the
// access log: every request's line, whatever level the log has.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryState } from '../support/state.ts';
import { freePort, sendMany, startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const log = suite('log');
const children: ChildProcess[] = [];
log.after(async () => {
  // Not by SIGKILL, which would leave its replicas behind.
  for (const child of children.filter(({ exitCode }) => exitCode === null)) {
    child.stdout!.resume();
    child.kill('SIGTERM');
    await waitFor(() => child.exitCode !== null, { timeoutMs: 60_000, what: 'torc to end' });
  }
});

/** Some 3,300 bytes a line: 1,500 of them are more than two workers may keep. */
const REQUESTS = 1500;
const url = (base: string) => (index: number) => `${base}/home?x=${'x'.repeat(3000)}&request_id=${index}`;

async function startUnread(): Promise<{ child: ChildProcess; base: string }> {
  const port = await freePort();
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts')], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TORC_DRIVER: 'process',
      TORC_HEARTBEAT_TIMEOUT_MS: '2000',
      TORC_WORKERS: '2',
      TORC_ACCESS_LOG: 'true',
      TORC_STATE_DIR: temporaryState(),
      PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const base = `http://127.0.0.1:${port}`;
  const isReady = (): Promise<boolean> =>
    fetch(`${base}/admin/ready`).then(
      answer => answer.status === 200,
      () => false,
    );
  await waitFor(isReady, { timeoutMs: 60_000, what: 'torc to be ready' });
  return { child, base };
}

log(
  'nobody reads: every request is answered, what is lost is counted, and told once somebody reads',
  async () => {
    const { child, base } = await startUnread();
    const { statuses } = await sendMany(url(base), REQUESTS, 20);
    assert.equal(statuses, { 200: REQUESTS });
    const metrics = await (await fetch(`${base}/metrics`, { signal: AbortSignal.timeout(20_000) })).text();
    const dropped = Number(/^torc_log_lines_dropped_total (\d+)$/m.exec(metrics)?.[1]);
    assert.ok(dropped > 0 && dropped < REQUESTS, metrics);
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const told = (): number =>
      [...text.matchAll(/"dropped":(\d+),"msg":"\1 log lines were dropped/g)].reduce(
        (sum, match) => sum + Number(match[1]),
        0,
      );
    await waitFor(() => told() === dropped, { timeoutMs: 20_000, what: `a line about ${dropped} lines` });
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    assert.is(code, 0);
    const lines = text.trim().split('\n');
    for (const line of lines) JSON.parse(line);
    assert.is(lines.filter(line => line.includes('"msg":"request"')).length, REQUESTS - dropped);
  },
);

log('nobody reads and a worker dies: its successor and all others go on', async () => {
  const { base } = await startUnread();
  await sendMany(url(base), REQUESTS, 20);
  const workers = async (): Promise<number[]> => {
    const answer = await fetch(`${base}/admin/ring`, { signal: AbortSignal.timeout(20_000) });
    const { workers } = (await answer.json()) as { workers: { pid: number }[] };
    return workers.map(({ pid }) => pid);
  };
  const [first] = await workers();
  process.kill(first!, 'SIGKILL');
  const isReplaced = (): Promise<boolean> =>
    workers().then(
      pids => pids.length === 2 && !pids.includes(first!),
      () => false,
    );
  await waitFor(isReplaced, { timeoutMs: 20_000, what: 'another worker' });
  const { statuses } = await sendMany(url(base), 300, 20);
  assert.equal(statuses, { 200: 300 });
});

log('nobody reads: SIGTERM ends it all the same', async () => {
  const { child, base } = await startUnread();
  await sendMany(url(base), REQUESTS, 20);
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(40_000) })) as [number];
  assert.is(code, 0);
});

log('the access log does not depend on the level, and says what a request cost', async () => {
  for (const TORC_LOG of ['warn', 'silent']) {
    const torc = await startTorc({ TORC_LOG, TORC_ACCESS_LOG: 'true', TORC_WORKERS: '1' });
    try {
      await torc.get('/home?request_id=1');
      const lineOf = (): Record<string, unknown> | undefined =>
        torc.lines().find(({ msg }) => msg === 'request');
      await waitFor(() => lineOf() !== undefined, { timeoutMs: 20_000, what: 'the line' });
      const { id, slot, ms, firstByteMs, bytesOut, ...rest } = lineOf()!;
      assert.match(String(id), /^\d+-[0-9a-z]{12}-[0-9a-z]+$/);
      assert.match(String(slot), /^[123]$/);
      assert.ok(Number(ms) >= Number(firstByteMs) && Number(firstByteMs) > 0 && Number(bytesOut) > 0);
      const { status, code, attempts, bytesIn } = rest;
      assert.equal({ status, code, attempts, bytesIn }, { status: 200, code: '', attempts: 1, bytesIn: 0 });
    } finally {
      await torc.close();
    }
  }
});

log.run();
