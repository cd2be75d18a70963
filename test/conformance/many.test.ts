// 5,000 idle connections beside 1,000 busy ones, through one worker: each idle one was used and is kept, each busy one
// waits for an answer that the replica holds back until all of them are there. Nobody is refused, dropped or answered
// with what is somebody else's, and the idle ones are served again afterwards.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const IDLE = 5000;
const BUSY = 1000;
/** Of this process: both clients' ends and the replica's. torc has as many. */
const DESCRIPTORS = IDLE + 2 * BUSY + 200;
/** Connections that are opened at once: fewer than any backlog. */
const BATCH = 100;

const many = suite('many connections');
let origin: Origin;
let torc: Torc;
let clients: RawClient[] = [];

many.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startTorc({
    // Requests are counted at the replica: those that share a connection would come twice, because none is answered.
    TORC_PIPELINING: 'off',
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: `127.0.0.1:${origin.port}`,
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
    TORC_LOG: 'warn',
    TORC_MAX_CONNECTIONS_PER_REPLICA: String(BUSY),
    TORC_RESPONSE_TIMEOUT_MS: '60000',
    TORC_IDLE_TIMEOUT_MS: '120000',
    TORC_CLIENT_IDLE_TIMEOUT_MS: '120000',
  });
});
many.after(async () => {
  for (const client of clients) client.close();
  await torc.close();
  await origin.close();
});

async function open(
  count: number,
  each: (client: RawClient, index: number) => Promise<void>,
): Promise<RawClient[]> {
  const opened: RawClient[] = [];
  while (opened.length < count) {
    const size = Math.min(BATCH, count - opened.length);
    const start = opened.length;
    const batch = await Promise.all(Array.from({ length: size }, () => rawClient(torc.port)));
    await Promise.all(batch.map((client, index) => each(client, start + index)));
    opened.push(...batch);
  }
  return opened;
}

async function served(client: RawClient, target: string): Promise<void> {
  client.send(get(target));
  assert.is((await client.answer()).body, target);
}

async function idleAndBusy(): Promise<void> {
  origin.answer = (request, socket) => plain(request.target)(request, socket);
  const idle = await open(IDLE, (client, index) => served(client, `/idle/${index}`));
  clients = [...idle];
  const held: (() => void)[] = [];
  origin.answer = (request, socket) => void held.push(() => plain(request.target)(request, socket));
  const busy = await open(BUSY, async (client, index) => client.send(get(`/busy/${index}`)));
  clients.push(...busy);
  await waitFor(() => held.length === BUSY, { timeoutMs: 30_000, what: 'all to be at the replica' });
  for (const answer of held) answer();
  for (const [index, client] of busy.entries()) assert.is((await client.answer()).body, `/busy/${index}`);
  assert.is(clients.filter(({ closed }) => closed).length, 0);
  origin.answer = (request, socket) => plain(request.target)(request, socket);
  for (let index = 0; index < IDLE; index += 50) await served(idle[index]!, `/again/${index}`);
  assert.is(torc.errors(), '');
}

/** Node raises its own limit as far as it may go. */
function mayOpen(): number {
  if (process.platform !== 'linux') return DESCRIPTORS;
  return Number(
    /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? DESCRIPTORS,
  );
}

if (mayOpen() >= DESCRIPTORS) many(`${IDLE} idle and ${BUSY} busy`, idleAndBusy);
else many.skip(`${IDLE} idle and ${BUSY} busy (needs ${DESCRIPTORS} open files)`, idleAndBusy);

many.run();
