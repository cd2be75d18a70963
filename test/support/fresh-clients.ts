// Clients that open a connection for each request, in a process of their own: those that meet a listening socket in the moment
// in which it changes hands. What ends before the connection is there is told apart from what ends afterwards.
//   node fresh-clients.ts PORT|PATH PARALLEL        ends with its stdin, with one line of JSON

import { connect } from 'node:net';
import { type FreshReport, MARK_EVERY } from './fresh.ts';

const [where = '', parallel = '16'] = process.argv.slice(2);
const target = where.startsWith('/') ? { path: where } : { host: '127.0.0.1', port: Number(where) };
const REQUEST = 'GET /home HTTP/1.1\r\nhost: torc\r\nconnection: close\r\n\r\n';
const TIMEOUT_MS = 30_000;
const report: FreshReport = { answered: 0, refused: {}, lost: {}, slowestMs: 0 };
let isOver = false;

const one = (): Promise<void> =>
  new Promise(resolve => {
    const startedMs = performance.now();
    let isConnected = false;
    let text = '';
    let code = 'ended early';
    const socket = connect(target, () => {
      isConnected = true;
      socket.write(REQUEST);
    });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(Object.assign(new Error(), { code: 'too slow' })));
    socket.on('data', chunk => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    socket.on('close', () => {
      if (/^HTTP\/1\.1 200 [\s\S]*\}\s*$/.test(text)) report.answered++;
      else {
        const kind = isConnected ? report.lost : report.refused;
        const what = text === '' ? code : text.split('\r\n')[0]!;
        kind[what] = (kind[what] ?? 0) + 1;
      }
      report.slowestMs = Math.max(report.slowestMs, performance.now() - startedMs);
      resolve();
    });
  });

process.stdin.resume().on('end', () => {
  isOver = true;
});
const lanes = Array.from({ length: Number(parallel) }, async () => {
  while (!isOver) {
    await one();
    if (report.answered % MARK_EVERY === 0) process.stdout.write('.\n');
  }
});
await Promise.all(lanes);
process.stdout.write(`${JSON.stringify(report)}\n`);
