// When a worker is taken for hung: a table; then a real one is stopped, and its share of new connections with it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cpuTimeOf, isStarved } from '../../src/cluster/cpu-time.ts';
import { ASK_EVERY_MS, hangOf } from '../../src/cluster/liveness.ts';
import { startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('liveness of workers');

test('who is hung, and when nobody is judged', () => {
  const onTime = ASK_EVERY_MS + 5;
  const late = ASK_EVERY_MS + 400;
  const rows: [string, boolean, number, number, number, boolean, boolean?][] = [
    ['answers', true, 60_000, 0, onTime, false],
    ['missed four', true, 60_000, 4, onTime, false],
    ['missed five', true, 60_000, 5, onTime, true],
    ['missed five, but nobody lets it run', true, 60_000, 5, onTime, false, true],
    ['missed 39, and nobody lets it run', true, 60_000, 39, onTime, false, true],
    ['missed 40, whoever is to blame', true, 60_000, 40, onTime, true, true],
    ['missed many, but we were late', true, 60_000, 50, late, false],
    ['starts, and does not answer yet', false, 5_000, 20, onTime, false],
    ['never came to listen', false, 31_000, 0, onTime, true],
    ['never came to listen, but we were late', false, 31_000, 0, late, false],
  ];
  for (const [what, listening, ageMs, unanswered, sinceMs, hung, starved = false] of rows) {
    const life = { listening, ageMs, unanswered, isStarved: () => starved };
    assert.is(hangOf(life, sinceMs) !== null, hung, what);
  }
});

test('who is not let run, and who had his chance', () => {
  const before = { usedMs: 1_000, isRunnable: true };
  const rows: [string, Parameters<typeof isStarved>, boolean][] = [
    ['runnable, and had next to nothing', [before, { usedMs: 1_040, isRunnable: true }], true],
    ['it spins', [before, { usedMs: 1_700, isRunnable: true }], false],
    ['it is stopped, or waits', [before, { usedMs: 1_000, isRunnable: false }], false],
    ['nothing is known', [null, null], false],
  ];
  for (const [what, args, expected] of rows) assert.is(isStarved(...args), expected, what);
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('CPU time as the kernel counts it', async () => {
  const child = spawn(process.execPath, ['-e', 'for (;;);']);
  try {
    const used = (): number => cpuTimeOf(child.pid!)?.usedMs ?? 0;
    await waitFor(() => used() > 300, { timeoutMs: 60_000, what: 'one that spins to have had some' });
    await waitFor(() => cpuTimeOf(child.pid!)?.isRunnable === true, { timeoutMs: 60_000, what: 'R' });
    child.kill('SIGSTOP');
    await waitFor(() => cpuTimeOf(child.pid!)?.isRunnable === false, { timeoutMs: 60_000, what: 'T' });
    const stoppedMs = used();
    assert.ok(stoppedMs > 300);
  } finally {
    child.kill('SIGKILL');
  }
  await once(child, 'close');
  assert.is(cpuTimeOf(child.pid!), null);
});

/** The status of a GET on a connection of its own; 0 when that was reset before it was answered. */
const ask = (port: number, path: string): Promise<number> =>
  new Promise(resolve => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`),
    );
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? 0)));
  });

/** As a client would: what was reset is asked again. */
async function insist(port: number, path: string): Promise<number> {
  const endMs = performance.now() + 20_000;
  while (performance.now() < endMs) {
    const status = await ask(port, path);
    if (status !== 0) return status;
  }
  return 0;
}

test('one of two workers is stopped: all connections are answered, and it is said', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  try {
    const victim = Number(JSON.parse((await torc.get('/admin/ring')).text).workers[0].pid);
    process.kill(victim, 'SIGSTOP');
    const startedMs = performance.now();
    const statuses = Promise.all([
      ...Array.from({ length: 90 }, (_, i) => insist(torc.port, `/request?request_id=${i}`)),
      ...Array.from({ length: 10 }, () => insist(torc.port, '/rep')),
    ]);
    let answered: number[] = [];
    void statuses.then(all => {
      answered = all;
    });
    await waitFor(() => answered.length === 100, { timeoutMs: 20_000, what: 'all answers' });
    assert.equal([...new Set(answered)], [200]);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 10_000, `took ${tookMs} ms`);
    const line = torc.lines().find(({ msg }) => /a worker died/.test(String(msg)));
    assert.match(String(line?.cause), /it hung: no sign of life/);
    await waitFor(() => torc.lines().some(({ topic }) => topic === 'worker'), {
      timeoutMs: 20_000,
      what: 'the event in the log',
    });
    const response = await fetch(`${torc.url}/admin/events`);
    let told = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      told += chunk;
      if (/event: worker/.test(told)) break;
    }
    assert.match(told, /event: worker\ndata: .*it hung/);
    const metrics = (await torc.get('/metrics')).text;
    assert.match(metrics, /^torc_workers_hung_total 1$/m);
    assert.match(metrics, /^torc_worker_restarts_total 1$/m);
  } finally {
    await torc.close();
  }
});

test('a primary that was stopped itself ends nobody', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  try {
    const pids = async (): Promise<number[]> =>
      JSON.parse((await torc.get('/admin/ring')).text).workers.map((worker: { pid: number }) => worker.pid);
    const before = await pids();
    torc.process.kill('SIGSTOP');
    const stoppedMs = performance.now();
    await waitFor(() => performance.now() - stoppedMs > 2_500, {
      timeoutMs: 20_000,
      what: 'ten rounds to pass',
    });
    torc.process.kill('SIGCONT');
    assert.equal(await pids(), before);
    assert.match((await torc.get('/metrics')).text, /^torc_workers_hung_total 0$/m);
  } finally {
    torc.process.kill('SIGCONT');
    await torc.close();
  }
});

test.run();
