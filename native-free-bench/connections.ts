// What connections and requests cost in memory: resident KiB of the balancer's processes per idle keep-alive client
// connection, each of which has had one answer, and the resident size as many requests go through (of torc a million in
// the full size: what leaks shows). Resident memory never falls at once, so the first figure is a difference on a process
// that is warm already.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { residentKiB } from './harness/cpu.ts';
import { requestText } from './harness/job.ts';
import { drawPanels } from './harness/panels.ts';
import { type BenchOptions, countdown, Origin } from './harness/rounds.ts';
import { balancers, type Target, type TargetKind, verify } from './harness/targets.ts';

/** Of the other files that client and target have open. */
const SPARE_FILES = 400;
const BATCH = 100;
const BUSY = 64;
const SETTLE_MS = 3000;
const ANSWER_WITHIN_MS = 10_000;
const FULL = { idle: 10_000, requests: 50_000, torcRequests: 1_000_000 };
const SHORT = { idle: 2_000, requests: 5_000, torcRequests: 20_000 };

interface Memory {
  readonly target: string;
  readonly kibPerConnection: number;
  readonly requests: number;
  /** After each tenth of the requests. */
  readonly residentMib: readonly number[];
}

export async function connections(options: BenchOptions): Promise<object[]> {
  const { full, only, progress, chartPath } = options;
  const size = full ? FULL : SHORT;
  const idle = idleCount(size.idle, progress);
  const wanted = balancers.filter(
    kind => (only.length === 0 || only.includes(kind.name)) && kind.missing() === null,
  );
  const tick = countdown(wanted.length, options);
  const origin = await Origin.start();
  const rows: Memory[] = [];
  try {
    for (const kind of wanted) {
      const row = await memoryOf(
        kind,
        origin,
        idle,
        kind.name === 'torc' ? size.torcRequests : size.requests,
      );
      rows.push(row);
      tick(`${row.target}: ${row.kibPerConnection.toFixed(1)} KiB per idle connection`);
    }
  } finally {
    origin.stop();
  }
  if (chartPath !== null) chart(chartPath, rows, idle);
  return rows.map(row => ({
    target: row.target,
    'idle connections': idle,
    'KiB/idle connection': Number(row.kibPerConnection.toFixed(1)),
    requests: row.requests,
    'MiB by tenths': row.residentMib.map(mib => mib.toFixed(0)).join(' '),
  }));
}

/** As many of `wanted` as this machine lets one process open; Node has raised the soft limit to the hard one already. */
function idleCount(wanted: number, progress: (text: string) => void): number {
  const limit = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const possible = Math.floor((Number(limit ?? wanted) - SPARE_FILES) / BATCH) * BATCH;
  if (possible >= wanted) return wanted;
  progress(`ulimit -n allows ${possible} connections; for ${wanted}: ulimit -n ${wanted + SPARE_FILES}`);
  return Math.max(BATCH, possible);
}

async function memoryOf(kind: TargetKind, origin: Origin, idle: number, requests: number): Promise<Memory> {
  const target = await kind.start(origin.ports);
  try {
    await verify(target);
    const residentMib: number[] = [];
    for (let tenth = 1; tenth <= 10; tenth++) {
      await load(target, requests / 10);
      residentMib.push(residentKiB(target.pids()) / 1024);
    }
    const before = residentKiB(target.pids());
    const sockets = await open(target, idle);
    await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
    const closed = sockets.filter(socket => socket.closed).length;
    if (closed > 0) throw new Error(`${target.name} closed ${closed} idle connections`);
    const kibPerConnection = (residentKiB(target.pids()) - before) / idle;
    for (const socket of sockets) socket.destroy();
    return { target: target.name, kibPerConnection, requests, residentMib };
  } finally {
    await target.stop();
  }
}

function toTarget(target: Target): Socket {
  const { hostname, port } = new URL(target.urls[0]!);
  return connect(Number(port), hostname);
}

/** Every one asks once and stays. A hundred at a time, so that nobody's backlog overflows. */
async function open(target: Target, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: BATCH }, () => toTarget(target));
    await Promise.all(
      batch.map((socket, i) => {
        socket.write(requestText(sockets.length + i));
        return once(socket, 'data', { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      }),
    );
    sockets.push(...batch);
  }
  return sockets;
}

/** A small answer is one chunk here, so that a chunk is an answer: the load is not what is measured. */
async function load(target: Target, count: number): Promise<void> {
  let left = count;
  const clients = Array.from({ length: BUSY }, () => {
    const socket = toTarget(target);
    const next = (): void => {
      if (left-- > 0) socket.write(requestText(left), 'latin1');
      else socket.end();
    };
    socket.on('data', next);
    next();
    return once(socket, 'close');
  });
  await Promise.all(clients);
}

function chart(path: string, rows: readonly Memory[], idle: number): void {
  const panels = [
    {
      name: 'per idle connection',
      unit: 'KiB',
      series: { memory: rows.map(row => row.kibPerConnection) },
    },
    {
      name: 'after the load, before the connections',
      unit: 'MiB, all processes',
      series: { memory: rows.map(row => row.residentMib.at(-1) ?? 0) },
    },
  ];
  const look = {
    title: 'Connections: resident memory of the balancer',
    subtitle: `${idle.toLocaleString('en-US')} idle keep-alive connections, each of which has had an answer`,
    figures: true,
  };
  drawPanels(
    path,
    look,
    rows.map(({ target }) => target),
    panels,
  );
}
