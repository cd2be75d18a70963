// A time-boxed fuzz of the data plane: thousands of mutated client and replica streams through a real torc (its own
// process, so that a crash is a worker's death), each judged by an independent reading of the bytes on both sides.
//   TORC_TEST_FUZZ_SECONDS=180   how long (10); beyond 200 run this file by itself, test/run.ts ends it at 240
//   TORC_TEST_FUZZ_SEED=7        which run (a new one each time; it is printed)
//   TORC_TEST_FUZZ_STREAM=123    this stream of the run alone

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTorc, type Torc } from '../support/torc.ts';
import { Fuzzer } from './drive.ts';

const seconds = Number(process.env.TORC_TEST_FUZZ_SECONDS ?? 10);
const seed = Number(process.env.TORC_TEST_FUZZ_SEED ?? (Date.now() ^ (process.pid << 8)) >>> 0);
const only = process.env.TORC_TEST_FUZZ_STREAM;
/**
 * A heap this small is full, and its worker dead, after a leak of 1 KiB a stream in three minutes; and it keeps V8 from
 * letting the heap grow because it may, so that what the RSS still grows by is not the heap's.
 */
const HEAP = '--max-old-space-size=64';
const MAX_GROWTH_MIB = 64;

const fuzz = suite('fuzz');
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const startWith = (ports: readonly number[]): Promise<Torc> =>
  startTorc({
    NODE_OPTIONS: HEAP,
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: ports.map(port => `127.0.0.1:${port}`).join(','),
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
    TORC_LOG: 'error',
    TORC_HEADER_TIMEOUT_MS: '400',
    TORC_RESPONSE_TIMEOUT_MS: '400',
    TORC_IDLE_TIMEOUT_MS: '300',
    TORC_CLIENT_IDLE_TIMEOUT_MS: '300',
  });

const workerOf = async (torc: Torc): Promise<number> => {
  const { text } = await torc.get('/admin/ring');
  return (JSON.parse(text) as { workers: { pid: number }[] }).workers[0]!.pid;
};

const rssMiB = (pid: number): number =>
  Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024);

async function fuzzed(): Promise<void> {
  const fuzzer = new Fuzzer(seed, Number(only ?? 0));
  await fuzzer.openOrigins(3);
  const torc = await startWith(fuzzer.origins.map(({ port }) => port)).catch((error: Error) => {
    fuzzer.close();
    throw error;
  });
  try {
    const worker = await workerOf(torc);
    const startedMs = performance.now();
    const deadlineMs = startedMs + seconds * 1000;
    const rss = [rssMiB(worker)];
    await fuzzer.run(torc.port, streams => {
      const nowMs = performance.now();
      // A quarter is for warming up: buffers, code and the heap's own idea of its size.
      if (rss.length === 1 && nowMs - startedMs > seconds * 250) rss.push(rssMiB(worker));
      return only === undefined ? nowMs < deadlineMs : streams < 1;
    });
    rss.push(rssMiB(worker));
    print(
      `fuzz: seed ${seed}, ${seconds} s, ${JSON.stringify(fuzzer.totals)}, worker RSS ${rss.join(' -> ')} MiB`,
    );
    for (const [rule, { times, examples }] of fuzzer.failures) {
      print(`\n${rule} (${times} times), for example\n${examples.map(({ text }) => text).join('\n')}`);
    }
    assert.equal([...fuzzer.failures.keys()], []);
    if (process.env.TORC_TEST_PIPELINING !== 'auto') assert.is(fuzzer.totals.shared, 0);
    assert.is(await workerOf(torc), worker, `the worker died:\n${torc.output()}`);
    assert.is(torc.errors(), '');
    assert.ok(rss.at(-1)! - rss.at(-2)! < MAX_GROWTH_MIB, `worker RSS ${rss.join(' -> ')} MiB`);
  } finally {
    await torc.close();
    fuzzer.close();
  }
}

// Elsewhere 127.0.0.2 is no address of this machine, and the streams could not be told apart.
if (process.platform === 'linux') fuzz(`mutated streams, ${seconds} s, seed ${seed}`, fuzzed);
else fuzz.skip('mutated streams (needs 127.0.0.0/8 and /proc)', fuzzed);

fuzz.run();
