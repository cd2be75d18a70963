// Two clients while a balancer is reloaded, as a program: node load.ts URL LEAST. One has 64 connections that are kept, each
// asking again when it has its answer; the other makes a new connection for each request, two at a time. What a client
// sees is counted as it is: nothing is sent twice. Ends when standard input does and LEAST requests were sent; then
// prints what came of them.

import { connect } from 'node:net';
import { Line } from '../harness/line.ts';

const [url = '', least = '0'] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const CONNECTIONS = 64;
const NEW_ONES = 2;
const NEW_REST_MS = 2;
const KEYS = 10_000;
const PATIENCE_MS = 30_000;
/** What 64 clients at once wait for at a balancer that has just started is no cost of a reload; nothing is changed before that. */
const WARM_MS = 500;

export interface ReloadReport {
  readonly sent: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly newSent: number;
  /** By cause. */
  readonly newFailed: Readonly<Record<string, number>>;
  readonly newSlowestMs: number;
}

let isAsked = true;
let sent = 0;
let failed = 0;
let slowestMs = 0;
let newSent = 0;
let newSlowestMs = 0;
const newFailed: Record<string, number> = {};

const textOf = (key: number, connection: string): string =>
  `GET /request?request_id=${key % KEYS} HTTP/1.1\r\nHost: bench\r\nConnection: ${connection}\r\n\r\n`;
const slower = (before: number, beganMs: number): number =>
  beganMs < WARM_MS ? before : Math.max(before, performance.now() - beganMs);
const goesOn = (): boolean => isAsked || sent < Number(least);

function keep(): Promise<void> {
  return new Promise(resolve => {
    let beganMs = 0;
    const line = new Line(url, (_line, status) => {
      slowestMs = slower(slowestMs, beganMs);
      if (status !== 200) failed++;
      // Not at once behind a failure: a client that is refused would ask a thousand times in a moment.
      if (status === 0) setTimeout(next, 10);
      else next();
    });
    const next = (): void => {
      if (!goesOn()) {
        line.close();
        resolve();
        return;
      }
      beganMs = performance.now();
      line.ask(textOf(sent++, 'keep-alive'));
    };
    next();
  });
}

/** '' for a whole answer, else why not. */
function askNew(): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => socket.write(textOf(newSent, 'close')));
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => {
      if (text.startsWith('HTTP/1.1 200')) resolve('');
      else resolve(text === '' ? 'closed without an answer' : text.slice(9, 12));
    });
  });
}

async function comeAnew(): Promise<void> {
  while (goesOn()) {
    newSent++;
    const beganMs = performance.now();
    const cause = await askNew();
    newSlowestMs = slower(newSlowestMs, beganMs);
    if (cause !== '') newFailed[cause] = (newFailed[cause] ?? 0) + 1;
    await new Promise(resolve => setTimeout(resolve, NEW_REST_MS));
  }
}

process.stdin.resume();
process.stdin.on('end', () => {
  isAsked = false;
});
const lanes = [...Array.from({ length: CONNECTIONS }, keep), ...Array.from({ length: NEW_ONES }, comeAnew)];
await Promise.all(lanes);
const report: ReloadReport = { sent, failed, slowestMs, newSent, newFailed, newSlowestMs };
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
