// What requests that share a connection cost each other (TORC_PIPELINING): a closed loop of 128 connections against
// replicas that do not answer alike (peers/uneven.ts), torc with and without in turns. `slow`: one request in a hundred takes
// 500 ms; the latencies are those of the others, which must not have to wait for it. `serial`: each takes 2 ms, one at a
// time on each connection; what shares one waits for the others there, which no rule of torc's can see beforehand.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { median } from './harness/cpu.ts';
import { KEYS, requestText } from './harness/job.ts';
import { Latencies } from './harness/latencies.ts';
import { Line } from './harness/line.ts';
import { type BenchOptions, countdown } from './harness/rounds.ts';
import { type Target, torc, torcAuto } from './harness/targets.ts';

const CONNECTIONS = 128;
const SLOW_EVERY = 100;
const FULL = { rounds: 7, seconds: 10, warmUpSeconds: 5 };
const SHORT = { rounds: 2, seconds: 2, warmUpSeconds: 2 };

export async function pipelining(options: BenchOptions): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const tick = countdown(4 * (1 + size.rounds), options);
  const rows: object[] = [];
  for (const kind of ['slow', 'serial']) {
    const replicas = fork(join(import.meta.dirname, 'peers', 'uneven.ts'), [kind], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const [line] = (await once(createInterface(replicas.stdout!), 'line')) as [string];
    const targets = [await torc.start(JSON.parse(line)), await torcAuto.start(JSON.parse(line))];
    const all = new Map(targets.map(target => [target, [] as Round[]]));
    try {
      for (const target of targets) {
        await closed(target, size.warmUpSeconds, kind);
        tick(`${target.name} is warm`);
      }
      for (let round = 1; round <= size.rounds; round++) {
        for (const target of targets) {
          all.get(target)!.push(await closed(target, size.seconds, kind));
          tick(`${target.name}, ${kind}, round ${round}`);
        }
      }
    } finally {
      for (const target of targets) await target.stop();
      replicas.disconnect();
    }
    for (const [target, rounds] of all) rows.push(rowOf(kind, target, rounds));
  }
  return rows;
}

interface Round {
  readonly perSecond: number;
  readonly lost: number;
  readonly latencies: Latencies;
}

async function closed(target: Target, seconds: number, kind: string): Promise<Round> {
  const latencies = new Latencies();
  const asked = new Map<Line, { readonly atMs: number; readonly isSlow: boolean }>();
  let next = 0;
  let answered = 0;
  let lost = 0;
  let isOver = false;
  const ask = (line: Line): void => {
    const index = next++;
    const isSlow = kind === 'slow' && ((index % KEYS) + 1) % SLOW_EVERY === 0;
    asked.set(line, { atMs: performance.now(), isSlow });
    line.ask(requestText(index));
  };
  const lines = Array.from(
    { length: CONNECTIONS },
    () =>
      new Line(target.urls[0]!, (line, status) => {
        const { atMs, isSlow } = asked.get(line)!;
        if (status === 200) answered++;
        else lost++;
        if (status === 200 && !isSlow) latencies.record((performance.now() - atMs) * 1000);
        if (!isOver) ask(line);
      }),
  );
  lines.forEach(ask);
  await new Promise(resolve => setTimeout(resolve, seconds * 1000));
  isOver = true;
  for (const line of lines) line.close();
  return { perSecond: answered / seconds, lost, latencies };
}

function rowOf(kind: string, target: Target, rounds: readonly Round[]): object {
  const all = new Latencies();
  for (const { latencies } of rounds) all.add(latencies);
  const { p50Us, p99Us, p999Us } = all.percentiles();
  return {
    replicas: kind,
    target: target.name,
    'per second': Math.round(median(rounds.map(({ perSecond }) => perSecond))),
    'p50 ms': p50Us / 1000,
    'p99 ms': p99Us / 1000,
    'p99.9 ms': p999Us / 1000,
    'p99.9 ms, median round': median(rounds.map(({ latencies }) => latencies.atPercentile(99.9))) / 1000,
    lost: rounds.reduce((sum, round) => sum + round.lost, 0),
  };
}
