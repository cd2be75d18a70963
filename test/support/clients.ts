// Clients that never stop asking, as a program: keep-alive connections, each sending its next request when the last one
// is answered, with the key counted up. Every third request is a POST with a small body. It runs in a process of its own,
// so that neither a test's own work nor torc's lends it time. Run as: node clients.ts URL CONNECTIONS [h2], with which they are
// streams of four connections of HTTP/2; it ends when its
// standard input does, and prints a line for every MARK_EVERY answers, then one of JSON (LoadReport of load.ts). Nothing is sent twice here: what fails is counted
// with its cause, in the words of torc's own answer where there is one.

import { Agent, request } from 'node:http';
import { Http2Sessions } from './http2-sessions.ts';
import { BUCKET_MS, isBegun, type LoadReport, type Loss, MARK_EVERY } from './load.ts';

const [url = '', connections = '64', protocol = ''] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections), scheduling: 'lifo' });
const POST_EVERY = 3;
const BODY = JSON.stringify({ order: 17, items: ['a', 'b', 'c'] });
/** A client that waits longer calls it lost; above torc's own response timeout. */
const PATIENCE_MS = 45_000;
/** Different causes that are kept apart; the rest is counted as one. */
const MOST_CAUSES = 64;

const startedMs = performance.now();
const sent = { GET: 0, POST: 0 };
const losses = new Map<string, Loss>();
const timeline: LoadReport['timeline'] = [];
let slowestMs = 0;
let next = 0;
let stopping = false;

function bucketNow(): LoadReport['timeline'][number] {
  const index = Math.floor((performance.now() - startedMs) / BUCKET_MS);
  while (timeline.length <= index) timeline.push({ slots: {}, lost: 0, begun: 0 });
  return timeline[index]!;
}

let answerCount = 0;

function win(slot: string): void {
  if (++answerCount % MARK_EVERY === 0) process.stdout.write('.\n');
  const { slots } = bucketNow();
  slots[slot] = (slots[slot] ?? 0) + 1;
}

function lose(method: 'GET' | 'POST', cause: string): void {
  const known = losses.get(`${method} ${cause}`);
  const key = known !== undefined || losses.size < MOST_CAUSES ? `${method} ${cause}` : `${method} other`;
  const { count = 0 } = losses.get(key) ?? {};
  losses.set(key, { method, cause: key.slice(method.length + 1), count: count + 1 });
  if (isBegun({ method, cause })) bucketNow().begun++;
  else bucketNow().lost++;
}

type Ended = (slot: string | null, cause: string) => void;

/** One request to its end, however that is. */
function ask(lane: number): Promise<void> {
  const id = next++;
  const method = id % POST_EVERY === 0 ? 'POST' : 'GET';
  const beganMs = performance.now();
  sent[method]++;
  return new Promise(resolve => {
    const ended: Ended = (slot, cause) => {
      slowestMs = Math.max(slowestMs, performance.now() - beganMs);
      if (slot === null) lose(method, cause);
      else win(slot);
      resolve();
    };
    const path = `/request?request_id=${id}`;
    const headers = method === 'POST' ? { 'content-type': 'application/json' } : {};
    if (protocol === 'h2')
      askStream(lane % SESSIONS, { ':method': method, ':path': path, ...headers }, ended);
    else askConnection({ method, path, headers }, ended);
  });
}

function answered(status: unknown, slot: unknown, text: string, ended: Ended): void {
  if (status === 200) ended(String(slot), '');
  else ended(null, `${status} ${messageOf(text)}`);
}

function askConnection(
  what: { method: string; path: string; headers: Record<string, string> },
  ended: Ended,
): void {
  const call = request({ agent, hostname, port, ...what, timeout: PATIENCE_MS }, response => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', chunk => {
      text += chunk;
    });
    response.on('error', error => ended(null, `answer cut: ${error.message}`));
    response.on('end', () => answered(response.statusCode, response.headers['x-served-by'], text, ended));
  });
  call.on('timeout', () => call.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
  call.on('error', (error: NodeJS.ErrnoException) => ended(null, error.code ?? error.message));
  call.end(what.method === 'POST' ? BODY : undefined);
}

const SESSIONS = 4;
const sessions = new Http2Sessions(url);

function askStream(index: number, headers: Record<string, string>, ended: Ended): void {
  const isPost = headers[':method'] === 'POST';
  const stream = sessions.at(index).request(headers, { endStream: !isPost });
  let answer: Record<string, unknown> = {};
  let text = '';
  let cause = '';
  stream.setEncoding('utf8');
  stream.setTimeout(PATIENCE_MS, () => stream.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
  stream.on('response', fields => {
    answer = fields;
  });
  stream.on('data', chunk => {
    text += chunk;
  });
  stream.on('error', error => {
    cause = error.message;
  });
  stream.on('close', () => {
    if (stream.rstCode !== 0 || cause !== '') ended(null, `reset ${stream.rstCode} ${cause}`);
    else answered(answer[':status'], answer['x-served-by'], text, ended);
  });
  if (isPost) stream.end(BODY);
}

function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message).replace('<Error> ', '');
  } catch {
    return text.slice(0, 80);
  }
}

async function lane(_: unknown, index: number): Promise<void> {
  while (!stopping) await ask(index);
}

// Who started it is gone: nobody reads the report.
process.stdout.on('error', () => process.exit(1));

const lanes = Array.from({ length: Number(connections) }, lane);
process.stdin.resume();
process.stdin.on('end', async () => {
  stopping = true;
  await Promise.all(lanes);
  const report: LoadReport = {
    startedAtMs: performance.timeOrigin + startedMs,
    sent,
    losses: [...losses.values()],
    slowestMs,
    timeline,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  agent.destroy();
  sessions.destroy();
});
