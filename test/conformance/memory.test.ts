// 64 MB in each direction against a side that reads slowly: back-pressure has to reach the sender. Two measures: how much
// was sent and not read yet (kernel buffers and torc together), and the resident memory of torc, read from the kernel. The
// second grows by what the garbage collector has not taken yet: 4 MiB for the answer, 10 to 18 MiB for the upload, in one run of
// eight 30 to 44. What torc held would be there in every run, so the least of three torcs counts.

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';
import { type Subject, startSubject } from './subjects.ts';
import { settled } from './suite.ts';

const TOTAL = 64_000_000;
/** Four kernel buffers of up to 6 MB, and torc's own of some 100 kB. */
const MOST_UNDER_WAY = 32_000_000;
const MOST_GROWTH = 32 * 1024 * 1024;
const READ_EVERY_MS = 1;
const ATTEMPTS = 3;

const memory = suite('memory');
let origin: Origin;
let torc: Subject;

async function begin(): Promise<void> {
  torc = await startSubject('torc', origin.port);
  origin.answer = plain('hello');
  origin.atHead = false;
  for (let round = 0; round < 50; round++) await settled({ port: torc.port, scheme: torc.scheme, origin });
}

memory.before(async () => {
  origin = await rawOrigin(plain('hello'));
  await begin();
});
memory.after(async () => {
  await torc.close();
  await origin.close();
});

/** Resident bytes of torc and its workers together. */
function residentBytes(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  const own = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  return own + children.reduce((sum, child) => sum + residentBytes(Number(child)), 0);
}

let sent = 0;

function pump(socket: Socket): void {
  const chunk = Buffer.alloc(64_000, 120);
  sent = 0;
  const more = (): void => {
    while (sent < TOTAL) {
      sent += chunk.length;
      if (!socket.write(chunk)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

/** Reads one chunk a millisecond; by how many bytes torc grew meanwhile. */
async function readSlowly(socket: Socket): Promise<number> {
  const before = residentBytes(torc.pid);
  let most = before;
  let underWay = 0;
  let read = 0;
  socket.removeAllListeners('data');
  socket.on('data', chunk => {
    read += chunk.length;
    underWay = Math.max(underWay, sent - read - socket.readableLength);
    socket.pause();
    setTimeout(() => socket.resume(), READ_EVERY_MS);
  });
  await waitFor(
    () => {
      most = Math.max(most, residentBytes(torc.pid));
      return read >= TOTAL;
    },
    { timeoutMs: 60_000, what: `${TOTAL} bytes` },
  );
  assert.ok(underWay < MOST_UNDER_WAY, `${underWay} bytes were under way`);
  return most - before;
}

/** Each time with a new torc, until one stays within the bound. */
async function assertGrowth(transfer: () => Promise<number>): Promise<void> {
  const grown: number[] = [];
  while (grown.length < ATTEMPTS) {
    if (grown.length > 0) await torc.close();
    if (grown.length > 0) await begin();
    grown.push(await transfer());
    if (grown.at(-1)! < MOST_GROWTH) return;
  }
  assert.unreachable(`grew by ${grown.join(', ')} bytes`);
}

/** torc sends, `client` reads. */
async function answer(): Promise<number> {
  origin.answer = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${TOTAL}\r\n\r\n`);
    pump(socket);
  };
  const client = await rawClient(torc.port);
  client.send(get('/big'));
  const grown = await readSlowly(client.socket);
  client.close();
  return grown;
}

async function upload(): Promise<number> {
  let replica: Socket | undefined;
  origin.atHead = true;
  origin.answer = (_request, socket) => {
    replica = socket;
    socket.pause();
  };
  const client = await rawClient(torc.port);
  client.send(`POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: ${TOTAL}\r\n\r\n`);
  await waitFor(() => replica !== undefined, { timeoutMs: 3000, what: 'the head' });
  pump(client.socket);
  const reading = readSlowly(replica!);
  replica!.resume();
  const grown = await reading;
  replica!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.is((await client.answer()).body, 'ok');
  client.close();
  return grown;
}

if (process.platform === 'linux') {
  memory('an answer of 64 MB to a slow client', () => assertGrowth(answer));
  memory('a request of 64 MB to a slow replica', () => assertGrowth(upload));
}

memory.run();
