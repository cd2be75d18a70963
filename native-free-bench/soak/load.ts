// The clients of the soak, as a program: node load.ts URL SEED. Lanes of several kinds ask one thing after the other, with
// a short rest between. Every request is counted when it is sent and when it ends, whichever way; what ends otherwise than
// it should is told at once, with when it began and why it ended. Nothing is sent twice, but for what RFC 9112 section 9.3.1
// asks of every client: an idempotent request on a used connection that closed without a byte. One line of JSON a second; ends when
// standard input does, after every request has.

import { Agent, type ClientRequest, request } from 'node:http';
import { constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { seededRandom } from '../../src/core/random.ts';
import { Http2Sessions } from '../../test/support/http2-sessions.ts';
import type { Loss, Tally } from './accounts.ts';

const [url = '', seed = '1'] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const random = seededRandom(Number(seed));
const among = (most: number): number => Math.floor(random() * most);

/** Above every bound of torc's own: who waits longer is stalled. */
const PATIENCE_MS = 60_000;
const TICK_MS = 1000;
const REST_MS = 60;
const SESSIONS = 2;
const ECHOES = 20;
/** As many as there are kept connections: a worker's death may have ended all of them. */
const MOST_AGAIN = 40;
const BODY = Buffer.alloc(1024, 'x');
const PIECE = Buffer.alloc(32 * 1024, 'x');

const tally: Tally = { atMs: 0, sent: {}, answered: {}, aborted: {}, repeated: 0, latenciesMs: [], gapMs: 0 };
let isStopping = false;
let lastAnswerMs = performance.now();
let longestGapMs = 0;

const tell = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const count = (into: Record<string, number>, kind: string): void => {
  into[kind] = (into[kind] ?? 0) + 1;
};
const rest = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Of one request: '' for a whole answer, 'aborted' where the client left on purpose, 'again', or why it is lost. */
type End = string;
const ABORTED = 'aborted';
const AGAIN = 'again';

const kept = new Agent({ keepAlive: true, scheduling: 'lifo' });
const fresh = new Agent({ keepAlive: false });

interface Asked {
  readonly agent?: Agent;
  readonly method?: string;
  readonly path?: string;
  /** Bytes, and how much of a rest between pieces. */
  readonly upload?: { readonly pieces: number; readonly restMs: number };
  readonly body?: Buffer;
  readonly readRestMs?: number;
  /** The client leaves so long after it asked. */
  readonly abortMs?: number;
}

function ask(asked: Asked): Promise<End> {
  const {
    agent = kept,
    method = 'GET',
    path = `/echo?request_id=${among(1e6)}`,
    abortMs,
    readRestMs,
  } = asked;
  return new Promise(resolve => {
    let isAborted = false;
    let hasHead = false;
    const call: ClientRequest = request({ agent, hostname, port, method, path }, response => {
      hasHead = true;
      let text = '';
      response.on('data', (chunk: Buffer) => {
        if (response.statusCode !== 200) text += chunk.toString();
        if (readRestMs === undefined) return;
        response.pause();
        setTimeout(() => response.resume(), readRestMs);
      });
      response.on('error', error => resolve(isAborted ? ABORTED : `answer cut: ${error.message}`));
      response.on('end', () =>
        resolve(response.statusCode === 200 ? '' : `${response.statusCode} ${messageOf(text)}`),
      );
    });
    call.setTimeout(PATIENCE_MS, () => call.destroy(new Error(`nothing within ${PATIENCE_MS} ms`)));
    call.on('error', (error: NodeJS.ErrnoException) => {
      const isRepeatable = call.reusedSocket && !hasHead && method === 'GET';
      const why = error.code ?? error.message;
      if (isAborted) resolve(ABORTED);
      else resolve(isRepeatable && (why === 'ECONNRESET' || why === 'EPIPE') ? AGAIN : why);
    });
    if (abortMs !== undefined)
      setTimeout(() => {
        isAborted = true;
        call.destroy();
      }, abortMs);
    void send(call, asked);
  });
}

async function send(call: ClientRequest, { body, upload }: Asked): Promise<void> {
  if (upload === undefined) return void call.end(body);
  for (let piece = 0; piece < upload.pieces && !call.destroyed; piece++) {
    if (!call.write(PIECE))
      await new Promise(resolve => call.once('drain', resolve).once('close', resolve).once('error', resolve));
    await rest(upload.restMs);
  }
  if (!call.destroyed) call.end();
}

function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message).replace('<Error> ', '');
  } catch {
    return text.slice(0, 80);
  }
}

/** A tunnel, some echoes, and its end. */
function tunnel(): Promise<End> {
  return new Promise(resolve => {
    const socket = connectSocket(Number(port), hostname);
    let text = '';
    let echoes = 0;
    const next = (): void => {
      if (echoes === ECHOES) {
        resolve('');
        socket.destroy();
      } else setTimeout(() => socket.write(`${echoes};`), among(REST_MS));
    };
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`nothing within ${PATIENCE_MS} ms`)));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve(echoes > 0 ? 'tunnel cut' : 'closed before the tunnel'));
    socket.on('data', chunk => {
      text += chunk.toString();
      if (!text.startsWith('HTTP/1.1 101')) {
        if (!text.includes('\r\n\r\n')) return;
        resolve(`${text.slice(9, 12)} instead of a tunnel`);
        socket.destroy();
      } else if (echoes === 0 && text.endsWith('\r\n\r\n')) next();
      else if (text.endsWith(`${echoes};`)) {
        echoes++;
        next();
      }
    });
    socket.write(
      `GET /tunnel?request_id=${among(1e6)} HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`,
    );
  });
}

const sessions = new Http2Sessions(url);

function stream(index: number, method: 'GET' | 'POST'): Promise<End> {
  return new Promise(resolve => {
    const session = sessions.at(index % SESSIONS);
    const path = `/echo?request_id=${among(1e6)}`;
    const asked = session.request({ ':method': method, ':path': path }, { endStream: method === 'GET' });
    let status = 0;
    let text = '';
    let cause = '';
    asked.setTimeout(PATIENCE_MS, () => asked.destroy(new Error(`nothing within ${PATIENCE_MS} ms`)));
    asked.on('response', fields => {
      status = Number(fields[':status']);
    });
    asked.on('data', chunk => {
      text += chunk;
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      cause = error.code === 'ERR_HTTP2_STREAM_ERROR' ? '' : (error.code ?? error.message);
    });
    asked.on('close', () => {
      const { rstCode } = asked;
      // Not taken: RFC 9113 section 8.7 has a client ask again.
      if (
        rstCode === constants.NGHTTP2_REFUSED_STREAM ||
        (cause === 'ERR_HTTP2_GOAWAY_SESSION' && status === 0)
      )
        resolve(AGAIN);
      else if (rstCode !== 0 || cause !== '') resolve(`reset ${rstCode} ${cause}`);
      else if (status === 200) resolve('');
      else resolve(status === 0 ? 'ECONNRESET' : `${status} ${messageOf(text)}`);
    });
    if (method === 'POST') asked.end(BODY);
  });
}

/** Kind -> how many lanes, and one request of it. */
const kinds: Record<string, readonly [lanes: number, once: (lane: number) => Promise<End>]> = {
  get: [32, () => ask({})],
  post: [8, () => ask({ method: 'POST', body: BODY })],
  'new connection': [4, () => ask({ agent: fresh })],
  upload: [
    2,
    () => ask({ method: 'PUT', agent: fresh, upload: { pieces: 8 + among(56), restMs: among(20) } }),
  ],
  'slow reader': [2, () => ask({ path: '/large?chunks=128', agent: fresh, readRestMs: 1 + among(20) })],
  abort: [
    4,
    () => {
      const abortMs = among(300);
      switch (among(3)) {
        case 0:
          return ask({ path: '/echo?ms=500', agent: fresh, abortMs });
        case 1:
          return ask({ method: 'PUT', agent: fresh, upload: { pieces: 64, restMs: 20 }, abortMs });
        default:
          return ask({ path: '/large?chunks=512', agent: fresh, readRestMs: 10, abortMs });
      }
    },
  ],
  tunnel: [4, tunnel],
  'HTTP/2 get': [8, lane => stream(lane, 'GET')],
  'HTTP/2 post': [4, lane => stream(lane, 'POST')],
};
/** Those whose time says something. */
const TIMED = /^(?:get|post|new connection|HTTP\/2)/;

async function one(kind: string, once: () => Promise<End>): Promise<void> {
  const beganMs = Date.now();
  const startedMs = performance.now();
  count(tally.sent, kind);
  let end = await once();
  for (let more = 0; end === AGAIN && more < MOST_AGAIN; more++) {
    tally.repeated++;
    end = await once();
  }
  const nowMs = performance.now();
  if (end === '') {
    longestGapMs = Math.max(longestGapMs, nowMs - lastAnswerMs);
    lastAnswerMs = nowMs;
    count(tally.answered, kind);
    if (TIMED.test(kind)) tally.latenciesMs.push(nowMs - startedMs);
  } else if (end === ABORTED) count(tally.aborted, kind);
  else tell({ loss: { kind, cause: end, beganMs, endedMs: Date.now() } satisfies Loss });
}

const lanes = Object.entries(kinds).flatMap(([kind, [number, once]]) =>
  Array.from({ length: number }, async (_, lane) => {
    while (!isStopping) {
      await one(kind, () => once(lane));
      await rest(among(REST_MS));
    }
  }),
);

function report(): void {
  const sorted = tally.latenciesMs.splice(0).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  const gapMs = Math.max(longestGapMs, performance.now() - lastAnswerMs);
  longestGapMs = 0;
  tell({ tally: { ...tally, atMs: Date.now(), latenciesMs: [at(0.5), at(0.99)], gapMs } satisfies Tally });
}

const ticker = setInterval(report, TICK_MS);
// Who started it is gone: nobody reads the report.
process.stdout.on('error', () => process.exit(1));
process.stdin.resume();
process.stdin.on('end', async () => {
  isStopping = true;
  await Promise.all(lanes);
  clearInterval(ticker);
  report();
  process.exit(0);
});
