// What connections and requests cost in memory: resident KiB of the balancer's processes per idle keep-alive client
// connection, each of which has had one answer, and the resident size as a million requests go through. Resident
// memory never falls at once, so the first figure is a difference on a process that is warm already.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { residentKiB } from './harness/cpu.ts';
import { kinds, type Target, verify } from './harness/targets.ts';

const IDLE = 5000;
const BUSY = 64;
const SETTLE_MS = 3000;

export interface MemoryRow {
  readonly target: string;
  readonly [figure: string]: string | number;
}

export async function connections(only: readonly string[], requests: number): Promise<MemoryRow[]> {
  const origin = spawn(process.execPath, [join(import.meta.dirname, 'harness/origin.ts'), '56'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(origin.stdout), 'line')) as [string];
  const rows: MemoryRow[] = [];
  try {
    for (const kind of kinds) {
      if ((only.length > 0 && !only.includes(kind.name)) || kind.missing() !== null) continue;
      if (kind.name === 'bare' && only.length === 0) continue;
      const target = await kind.start(JSON.parse(line) as number[]);
      try {
        await verify(target);
        rows.push(await memoryOf(target, requests));
      } finally {
        await target.stop();
      }
    }
  } finally {
    origin.kill();
  }
  return rows;
}

async function memoryOf(target: Target, requests: number): Promise<MemoryRow> {
  await load(target, requests / 10);
  const resident = [residentKiB(target.pids())];
  for (let tenth = 2; tenth <= 10; tenth++) {
    await load(target, requests / 10);
    resident.push(residentKiB(target.pids()));
  }
  const before = residentKiB(target.pids());
  const sockets = await open(target, IDLE);
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
  const perConnection = (residentKiB(target.pids()) - before) / IDLE;
  for (const socket of sockets) socket.destroy();
  const mib = (kib: number | undefined): string => ((kib ?? 0) / 1024).toFixed(0);
  return {
    target: target.name,
    'KiB/idle connection': Number(perConnection.toFixed(1)),
    requests,
    'MiB by tenths': resident.map(mib).join(' '),
  };
}

const requestOf = (key: number): string =>
  `GET /request?request_id=${(key % 1000) + 1} HTTP/1.1\r\nHost: bench\r\n\r\n`;

/** Every one asks once and stays. A hundred at a time, so that nobody's backlog overflows. */
async function open(target: Target, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(target.url);
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: 100 }, () => connect(Number(port), hostname));
    await Promise.all(
      batch.map(socket => {
        socket.write(requestOf(sockets.length));
        return once(socket, 'data');
      }),
    );
    sockets.push(...batch);
  }
  return sockets;
}

/** A small answer is one chunk here, so that a chunk is an answer: the load is not what is measured. */
async function load(target: Target, count: number): Promise<void> {
  const { hostname, port } = new URL(target.url);
  let left = count;
  const clients = Array.from({ length: BUSY }, () => {
    const socket = connect(Number(port), hostname);
    const next = (): void => {
      if (left-- > 0) socket.write(requestOf(left), 'latin1');
      else socket.end();
    };
    socket.on('data', next);
    next();
    return once(socket, 'close');
  });
  await Promise.all(clients);
}
