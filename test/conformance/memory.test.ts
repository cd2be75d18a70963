// 64 MB in each direction against a side that reads slowly: back-pressure has to reach the sender. Two measures: how much
// was sent and not read yet (kernel buffers and torc together), and the resident memory of torc, read from the kernel. The
// second grew by 30 to 44 MiB where each chunk of an upload was left to the garbage collector; now by 3 to 5 in both directions.

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
const MOST_GROWTH = 16 * 1024 * 1024;
const READ_EVERY_MS = 1;

const memory = suite('memory');
let origin: Origin;
let torc: Subject;

memory.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startSubject('torc', origin.port);
  for (let round = 0; round < 50; round++) await settled({ ...torc, origin });
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

/** Reads one chunk a millisecond, and looks how much torc grows meanwhile. */
async function readSlowly(socket: Socket): Promise<void> {
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
  assert.ok(most - before < MOST_GROWTH, `grew by ${most - before} bytes`);
}

/** torc sends, `client` reads. */
async function answer(): Promise<void> {
  origin.answer = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${TOTAL}\r\n\r\n`);
    pump(socket);
  };
  const client = await rawClient(torc.port);
  client.send(get('/big'));
  await readSlowly(client.socket);
  client.close();
}

async function upload(): Promise<void> {
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
  await reading;
  replica!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.is((await client.answer()).body, 'ok');
  client.close();
}

if (process.platform === 'linux') {
  memory('an answer of 64 MB to a slow client', answer);
  memory('a request of 64 MB to a slow replica', upload);
}

memory.run();
