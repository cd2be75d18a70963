// What open pages cost: CPU time of torc's worker and of its primary, with 20 readers that ask for what the page asks for
// and without any, in spans that take turns, for 10 slots and for 1,000. One worker, so that all readers are its own, beside
// an even load of 200 requests a second with some keys hotter than others, so that there is something to tell each second.
// What opening a page costs (the whole document) is not in it: spans begin when all are open.

import { Agent, get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuUs, median } from './harness/cpu.ts';
import { type BenchOptions, Origin } from './harness/rounds.ts';
import { type Target, torc } from './harness/targets.ts';

const SLOTS = [10, 1000];
const PAGES = 20;
const PER_SECOND = 200;
const KEYS = 10_000;
const FULL = { rounds: 9, seconds: 10 };
const SHORT = { rounds: 3, seconds: 4 };
/** Code that runs once a second is compiled late. */
const WARM_UP_SECONDS = 10;

interface Span {
  readonly worker: number;
  readonly primary: number;
  /** That one page got. */
  readonly kiB: number;
}

export async function page({ full, progress }: BenchOptions): Promise<object[]> {
  const { rounds, seconds } = full ? FULL : SHORT;
  const rows: object[] = [];
  for (const slots of SLOTS) {
    const origin = await Origin.start(slots);
    const target = await torc.start(origin.ports);
    let load: ReturnType<typeof startLoad> | null = null;
    const spans: { without: Span[]; open: Span[] } = { without: [], open: [] };
    try {
      await allReady(target.urls[0]!);
      load = startLoad(target.urls[0]!);
      await spanWith(target, WARM_UP_SECONDS);
      for (let round = 1; round <= rounds; round++) {
        spans.without.push(await span(target, [], seconds));
        spans.open.push(await spanWith(target, seconds));
        progress(`${slots} slots, round ${round} of ${rounds}`);
      }
    } finally {
      load?.stop();
      await target.stop();
      origin.stop();
    }
    for (const process of ['worker', 'primary'] as const)
      rows.push({
        slots,
        process,
        'without, % of a core': percent(median(spans.without.map(one => one[process]))),
        [`${PAGES} pages, %`]: percent(median(spans.open.map(one => one[process]))),
        // Of neighbours in time, so that the machine's moods hit both.
        'they cost, %': percent(
          median(spans.open.map((one, round) => one[process] - spans.without[round]![process])),
        ),
        'KiB/s each': Number(median(spans.open.map(({ kiB }) => kiB)).toFixed(1)),
      });
  }
  return rows;
}

/** A thousand slots take their time. */
async function allReady(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/admin/ready`);
    const { ready, slots } = (await answer.json()) as { ready: number; slots: number };
    if (ready === slots) return;
    await pause(500);
  }
}

async function spanWith(target: Target, seconds: number): Promise<Span> {
  const readers = await Promise.all(Array.from({ length: PAGES }, () => openReader(target.urls[0]!)));
  // The first second measures nothing yet, and is without rates.
  await pause(2_000);
  try {
    return await span(target, readers, seconds);
  } finally {
    for (const reader of readers) reader.close();
  }
}

/** CPU seconds per second. */
async function span(target: Target, readers: readonly Reader[], seconds: number): Promise<Span> {
  const [primary, ...workers] = target.pids();
  const before = { worker: cpuUs(workers), primary: cpuUs([primary!]) };
  const bytesBefore = readers.map(({ bytes }) => bytes);
  const startMs = performance.now();
  await pause(seconds * 1000);
  const us = (performance.now() - startMs) * 1000;
  const bytes = readers.map((reader, index) => reader.bytes - bytesBefore[index]!);
  return {
    worker: (cpuUs(workers) - before.worker) / us,
    primary: (cpuUs([primary!]) - before.primary) / us,
    kiB: readers.length === 0 ? 0 : median(bytes) / 1024 / (us / 1e6),
  };
}

interface Reader {
  readonly bytes: number;
  close(): void;
}

/** What link.js of the page asks for, and all that the page asks for while nobody touches it. */
async function openReader(url: string): Promise<Reader> {
  const agent = new Agent({ keepAlive: true });
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
  };
  const opened = Promise.withResolvers<void>();
  const stream = get(`${url}/admin/stats`, { agent, headers: { accept: 'text/event-stream' } }, response => {
    if (response.statusCode !== 200) opened.reject(new Error(`/admin/stats: ${response.statusCode}`));
    response.on('data', count).once('data', () => opened.resolve());
    response.on('error', () => {});
  }).on('error', opened.reject);
  await opened.promise;
  return {
    get bytes() {
      return bytes;
    },
    close: () => {
      stream.destroy();
      agent.destroy();
    },
  };
}

/** Low numbers are asked for far more often than high ones. */
function startLoad(url: string): { stop(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const tick = setInterval(() => {
    const key = Math.floor(KEYS ** Math.random());
    get(`${url}/request?request_id=${key}`, { agent }, response => response.resume()).on('error', () => {});
  }, 1000 / PER_SECOND);
  return {
    stop: () => {
      clearInterval(tick);
      agent.destroy();
    },
  };
}

const percent = (share: number): number => Number((share * 100).toFixed(2));
